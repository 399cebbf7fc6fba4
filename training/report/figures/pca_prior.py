"""Appendix D: bits per dim of an autoregressive model of pixels, and of one of their principal components."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import accumulate

from training.baselines.pca_prior.measure import SAMPLES
from training.baselines.pca_prior.report import SpaceFacts
from training.report.collect import FinishedPCAPrior, RunsOf
from training.report.drawing import (
    Drawn,
    Picture,
    Table,
    claims_table,
    evaluation_pictures,
    line_plot,
    numbers,
    over_seeds,
    series,
)
from training.report.statistics import mean_interval
from training.report.verdicts import decide, show

VARIANT = "pca-prior"
SPACES = {"pixels": "pixels", "coefficients": "PCA coefficients"}


def draw(runs: RunsOf[FinishedPCAPrior]) -> Drawn:
    """Where the bits go, how many there are, and samples of both models."""
    first = runs.first(VARIANT).report
    total = len(first.pixels.bits_by_position)
    lines = [
        series(runs, VARIANT, range(total + 1), partial(_spent, space=space), name=name)
        for space, name in SPACES.items()
    ]
    excess = runs.values(VARIANT, lambda run: run.report.excess.value)
    verdict = decide(
        "Pixels take fewer bits per dim than their principal components",
        {"bits per dim": mean_interval(list(excess.values()))},
    )
    plot = line_plot(
        lines, "Bits of a picture", "numbers predicted so far", "bits per dim, added up", from_zero=True, markers=False
    )
    caption = f"Pixels in reading order, components by falling variance; {over_seeds(lines)}"
    smaller = f"Smaller than in the paper: {'; '.join(first.reduced)}." if first.reduced else ""
    pictures = evaluation_pictures(runs, VARIANT, {SAMPLES: "training pictures, and samples of both models"})
    return Drawn(
        pictures=(Picture("bits", caption, plot), *pictures),
        tables=(_table(runs), claims_table(runs, VARIANT)),
        verdicts=(verdict,),
        numbers={**numbers(lines), "excess": mean_interval(list(excess.values())).model_dump()},
        notes=tuple(note for note in (f"Counted in {first.unit}.", smaller) if note),
    )


def _table(runs: RunsOf[FinishedPCAPrior]) -> Table:
    rows = []
    for space, name in SPACES.items():
        bits = mean_interval([_space(run, space).bits_per_dim.value for run in runs.all()])
        alone = mean_interval([_space(run, space).marginal_bits_per_dim.value for run in runs.all()])
        rows.append((name, show(bits), show(alone), f"{runs.first(VARIANT).report.stated[space]:.2f}"))
    return Table(headings=("model of", "bits per dim", "each number alone", "paper (MNIST)"), rows=tuple(rows))


def _space(run: FinishedPCAPrior, space: str) -> SpaceFacts:
    return run.report.pixels if space == "pixels" else run.report.coefficients


def _spent(run: FinishedPCAPrior, space: str) -> Sequence[float]:
    """Bits of the first n numbers, n = 0 .. D, as a share of all D numbers."""
    by_position = _space(run, space).bits_by_position
    return [bits / len(by_position) for bits in accumulate(by_position, initial=0.0)]
