"""Fig. 3a: what each code takes off the reconstruction error, Δ(i) of Eq. (7), ordered, unordered and PCA.

"Decays gradually" and "irregular" are made a number: the disorder of a sequence of Δ is the sum of its rises from one
index to the next, as a share of the whole reduction err(0) - err(K). A sequence that never rises has disorder 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from training.evaluation.intervals import Estimate
from training.report.collect import Finished, Runs
from training.report.drawing import Drawn, Picture, Series, Table, line_plot, numbers, over_seeds, series, table
from training.report.statistics import mean_interval, paired_interval
from training.report.verdicts import decide, show


def draw(runs: Runs) -> Drawn:
    """The figure. Its claim holds if the ordered codes' disorder is nearer to PCA's than to the unordered codes'."""
    count = runs.first("ordered").report.codes
    x = range(1, count + 1)
    lines = [
        series(runs, "ordered", x, _gains),
        series(runs, "unordered", x, _gains),
        series(runs, "ordered", x, _pca_gains, name="PCA", baseline=True),
    ]
    disorder = {
        lines[0].name: runs.values("ordered", lambda run: disorder_of(_gains(run))),
        lines[1].name: runs.values("unordered", lambda run: disorder_of(_gains(run))),
        "PCA": runs.values("ordered", lambda run: disorder_of(_pca_gains(run))),
    }
    statement = "The Δ(i) of ordered codes decay, in disorder nearer to PCA's than to unordered codes'"
    return gains_figure(lines, disorder, statement, "code")


def gains_figure(
    lines: Sequence[Series], disorder: Mapping[str, Mapping[int, float]], statement: str, one: str
) -> Drawn:
    """Plot, tables and verdict.

    Args:
        lines: of what is ordered, of what is not, and of PCA, each Δ(i) by i.
        disorder: the same three by name, each by seed.
        statement: what holds if the first one's disorder is nearer to PCA's than to the second one's.
        one: what i counts, beside components.
    """
    places = [f"{i:g}" for i in lines[0].x]
    xlabel, ylabel = f"i, index of the {one} or component", "Δ(i), squared error per image"
    plot = line_plot(lines, f"What each {one} adds", xlabel, ylabel, scale="symlog")
    first, second, linear = disorder.values()
    midway = {seed: (value + linear[seed]) / 2 for seed, value in second.items() if seed in linear}
    verdict = decide(statement, {"disorder, midway less ordered": paired_interval(midway, first)})
    means = {name: mean_interval(list(values.values())) for name, values in disorder.items()}
    summary = Table(headings=("", "disorder"), rows=tuple((name, show(mean)) for name, mean in means.items()))
    return Drawn(
        pictures=(
            Picture(
                "gains",
                f"Δ(i), reduction of the squared error per image, logarithmic beyond ±0.1; {over_seeds(lines)}",
                plot,
            ),
        ),
        tables=(summary, table("i", places, lines)),
        verdicts=(verdict,),
        numbers={**numbers(lines), "disorder": {name: mean.model_dump() for name, mean in means.items()}},
        notes=("Disorder is the sum of all rises from one Δ(i) to the next, as a share of the whole reduction.",),
    )


def disorder_of(gains: Sequence[float]) -> float:
    """The sum of the rises in a sequence of Δ(i), as a share of its sum, which must be positive."""
    return sum(max(0.0, after - before) for before, after in pairwise(gains)) / sum(gains)


def _gains(run: Finished) -> list[float]:
    return _means(run.report.reconstruction.model.gains)


def _pca_gains(run: Finished) -> list[float]:
    return _means(run.report.reconstruction.pca.gains)


def _means(estimates: Sequence[Estimate]) -> list[float]:
    return [estimate.value for estimate in estimates]
