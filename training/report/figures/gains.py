"""Fig. 3a: what each code takes off the reconstruction error, Δ(i) of Eq. (7), ordered, unordered and PCA.

"Decays gradually" and "irregular" are made a number: the disorder of a sequence of Δ is the sum of its rises from one
index to the next, as a share of the whole reduction err(0) - err(K). A sequence that never rises has disorder 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from training.evaluation.intervals import Estimate
from training.report.collect import Finished, Runs
from training.report.drawing import Drawn, Picture, Table, line_plot, numbers, series, table
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
    places = [str(i) for i in x]
    plot = line_plot(lines, "What each code adds", "i, index of the code or component", "Δ(i)", scale="symlog")
    disorder = {
        "ordered": runs.values("ordered", lambda run: disorder_of(_gains(run))),
        "unordered": runs.values("unordered", lambda run: disorder_of(_gains(run))),
        "PCA": runs.values("ordered", lambda run: disorder_of(_pca_gains(run))),
    }
    midway = {
        seed: (value + disorder["PCA"][seed]) / 2
        for seed, value in disorder["unordered"].items()
        if seed in disorder["PCA"]
    }
    verdict = decide(
        "The Δ(i) of ordered codes decay, in disorder nearer to PCA's than to unordered codes'",
        {"disorder, midway less ordered": paired_interval(midway, disorder["ordered"])},
    )
    means = {name: mean_interval(list(values.values())) for name, values in disorder.items()}
    summary = Table(headings=("", "disorder"), rows=tuple((name, show(mean)) for name, mean in means.items()))
    return Drawn(
        pictures=(
            Picture("gains", "Δ(i), reduction of the squared error per image; mean over seeds and 95% band", plot),
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
