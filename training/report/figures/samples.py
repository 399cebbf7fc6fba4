"""Fig. 5: samples by fraction of their codes, ordered and unordered, and how many of them are recognised."""

from __future__ import annotations

from itertools import pairwise

from training.evaluation.pictures import BY_FRACTION
from training.report.collect import Finished, Runs
from training.report.drawing import (
    Drawn,
    Picture,
    differences,
    evaluation_pictures,
    line_plot,
    numbers,
    over_seeds,
    series,
    table,
)
from training.report.figures.distance import common_fractions, fraction_axis, places
from training.report.statistics import mean_interval
from training.report.verdicts import decide

VARIANTS = ("ordered", "unordered")
NOT_RECOGNISED = "the data has a single class, so none can be recognised"


def draw(runs: Runs) -> Drawn:
    """The sheets of the first seed, and over all seeds the share of samples that the extractor recognises."""
    sheets = [
        sheet for variant in VARIANTS for sheet in evaluation_pictures(runs, variant, {BY_FRACTION: "the same samples"})
    ]
    if not recognisable(runs):
        return Drawn(tuple(sheets), (), (), notes=(f"There are only samples to look at: {NOT_RECOGNISED}.",))
    fractions = common_fractions(runs, VARIANTS)
    lines = [series(runs, variant, fractions, recognised) for variant in VARIANTS]
    at = places(fractions)
    rises = {
        f"{before} to {after}": mean_interval(
            [recognised(run)[index + 1] - recognised(run)[index] for run in runs.variants["ordered"].values()]
        )
        for index, (before, after) in enumerate(pairwise(at))
    }
    verdicts = (
        decide(
            "Samples of ordered codes are recognised more often than those of unordered ones at every fraction",
            differences(runs, "ordered", "unordered", at, recognised),
        ),
        decide("Samples of ordered codes are recognised more often with each further fraction", rises),
    )
    ticks, label = fraction_axis(runs.all(), fractions)
    plot = line_plot(
        lines,
        "Samples recognised as their label",
        label,
        "share recognised",
        ticks=ticks,
        from_zero=True,
    )
    caption = f"Share of samples that the extractor takes for their label; {over_seeds(lines)}"
    return Drawn(
        pictures=(*sheets, Picture("recognised", caption, plot)),
        tables=(table("fraction", at, lines),),
        verdicts=verdicts,
        numbers=numbers(lines),
    )


def recognisable(runs: Runs) -> bool:
    """Whether the data has classes that samples can be recognised as."""
    return all(facts.recognition is not None for run in runs.all() for facts in run.report.samples.fractions)


def recognised(run: Finished) -> list[float]:
    """Of a run on such data, the share of samples that are recognised, by fraction."""
    return [facts.recognition.value for facts in run.report.samples.fractions if facts.recognition is not None]
