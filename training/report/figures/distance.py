"""Fig. 4a: Fréchet distance of samples by fraction of the codes, ordered against unordered.

The functions that take distances from runs are shared by the other figures of distances.
"""

from __future__ import annotations

from collections.abc import Sequence

from training.evaluation.samples import codes_for
from training.evaluation.words import ability_of
from training.report.collect import Finished, ReportError, Runs
from training.report.drawing import Drawn, Picture, Series, differences, line_plot, numbers, over_seeds, series, table
from training.report.statistics import mean_interval
from training.report.verdicts import Verdict, decide

NEARLY = 1.1  # "nearly lossless": at most a tenth above the distance with all codes
LONG = 0.8  # the fraction at which that is asked


def draw(runs: Runs) -> Drawn:
    """The figure."""
    lossless = (_nearly_lossless(runs),) if LONG in common_fractions(runs, ("ordered",)) else ()
    return draw_distances(runs, ("ordered", "unordered"), (_better(runs), *lossless))


def draw_distances(runs: Runs, variants: Sequence[str], verdicts: tuple[Verdict, ...]) -> Drawn:
    """Plot and table of the distances of some variants by fraction."""
    fractions = common_fractions(runs, variants)
    lines = [series(runs, variant, fractions, distances) for variant in variants]
    return distance_figure([runs.first(variant) for variant in variants], fractions, lines, verdicts)


def distance_figure(
    behind: Sequence[Finished], fractions: Sequence[float], lines: list[Series], verdicts: tuple[Verdict, ...]
) -> Drawn:
    """Plot and table of distances by fraction; `behind` them is a run of each line."""
    run = behind[0]
    name = run.report.distance.name
    ticks, label = fraction_axis(behind, fractions)
    plot = line_plot(lines, "Distance of samples to real images", label, name, ticks=ticks)
    caption = f"{name} of {run.report.samples.count:,} samples to real test images; {over_seeds(lines)}"
    floor = sum(run.report.distance.floor) / 2
    return Drawn(
        pictures=(Picture("distance", caption, plot),),
        tables=(table("fraction", places(fractions), lines),),
        verdicts=verdicts,
        numbers=numbers(lines),
        notes=(
            f"Real training images have a distance of {floor:.4g}; the extractor "
            f"{ability_of(run.report.extractor, 'images')}.",
        ),
    )


def fraction_axis(runs: Sequence[Finished], fractions: Sequence[float]) -> tuple[list[tuple[float, str]], str]:
    """Ticks and label of an axis of fractions, with numbers of codes if all of these runs have as many."""
    found = {run.report.codes for run in runs}
    if len(found) > 1:
        return [(fraction, f"{fraction:g}") for fraction in fractions], "fraction of the codes"
    codes = found.pop()
    ticks = [(fraction, f"{fraction:g}\n({codes_for(fraction, codes)})") for fraction in fractions]
    return ticks, f"fraction of the codes (codes of {codes})"


def distances(run: Finished) -> list[float]:
    """A run's distances, by fraction."""
    return [facts.distance.value for facts in run.report.samples.fractions]


def distance_at(run: Finished, fraction: float) -> float:
    """A run's distance at one fraction. Raises ReportError if it was not measured."""
    for facts in run.report.samples.fractions:
        if facts.fraction == fraction:
            return facts.distance.value
    raise ReportError(f"{run.directory}: was not evaluated at the fraction {fraction:g}; see evaluate.fractions")


def common_fractions(runs: Runs, variants: Sequence[str]) -> tuple[float, ...]:
    """The fractions at which all runs of some variants were evaluated. Raises ReportError if they differ."""
    found = {
        tuple(facts.fraction for facts in run.report.samples.fractions)
        for variant in variants
        for run in runs.variants[variant].values()
    }
    if len(found) > 1:
        raise ReportError(f"the runs of {', '.join(variants)} were evaluated at different fractions of the codes")
    return found.pop()


def places(fractions: Sequence[float]) -> list[str]:
    """Fractions as text."""
    return [f"{fraction:g}" for fraction in fractions]


def _better(runs: Runs) -> Verdict:
    fractions = common_fractions(runs, ("ordered", "unordered"))
    return decide(
        "Samples of ordered codes are nearer to real images than those of unordered ones at every fraction",
        differences(runs, "unordered", "ordered", places(fractions), distances),
    )


def _nearly_lossless(runs: Runs) -> Verdict:
    def slack(run: Finished) -> float:
        return NEARLY * distance_at(run, 1.0) - distance_at(run, LONG)

    return decide(
        f"Of ordered codes {LONG:.0%} are nearly lossless: the distance is at most {NEARLY - 1:.0%} above that of all",
        {f"{LONG:g}": mean_interval(list(runs.values("ordered", slack).values()))},
    )
