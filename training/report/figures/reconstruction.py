"""Fig. 3b: reconstruction error by code length, ordered, unordered and PCA."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from training.report.collect import Finished, Runs
from training.report.drawing import (
    Drawn,
    Picture,
    Series,
    differences,
    line_plot,
    numbers,
    over_seeds,
    paired,
    series,
    table,
)
from training.report.statistics import Interval
from training.report.verdicts import decide


def draw(runs: Runs) -> Drawn:
    """The figure. "Short" is up to a quarter of the codes."""
    x = range(runs.first("ordered").report.codes + 1)
    lines = [
        series(runs, "ordered", x, _errors),
        series(runs, "unordered", x, _errors),
        series(runs, "ordered", x, _pca_errors, name="PCA", baseline=True),
    ]
    places = [str(n) for n in x]
    ordered, unordered = runs.variants["ordered"], runs.variants["unordered"]
    below_unordered = differences(runs, "unordered", "ordered", places, _errors)
    below_pca = paired(ordered, ordered, places, _pca_errors, _errors)
    pca_below = paired(unordered, unordered, places, _errors, _pca_errors)
    statements = (
        "Ordered codes reconstruct better than unordered ones at every length below all codes",
        "Ordered codes reconstruct better than as many principal components",
        "With up to a quarter of the codes PCA reconstructs better than unordered codes",
        "Ordered codes reconstruct no worse than unordered ones with all codes",
    )
    return error_figure(lines, (below_unordered, below_pca, pca_below), statements, "codes")


def error_figure(
    lines: Sequence[Series],
    gaps: tuple[Mapping[str, Interval], Mapping[str, Interval], Mapping[str, Interval]],
    statements: tuple[str, str, str, str],
    many: str,
) -> Drawn:
    """Plot, table and verdicts.

    Args:
        lines: of what is ordered, of what is not, and of PCA, each error by n = 0 .. K; without a code all three are
            the same picture.
        gaps: by n, how much lower the error is: ordered below unordered, ordered below PCA, PCA below unordered.
        statements: that the first is positive below K, the second everywhere, the third up to a quarter of K, and
            the first at K.
        many: what n counts, beside components.
    """
    places = [f"{n:g}" for n in lines[0].x]
    at = (places[1:-1], places[1:], places[1 : max(1, (len(places) - 1) // 4) + 1], places[-1:])
    below_unordered, below_pca, pca_below = gaps
    found = (below_unordered, below_pca, pca_below, below_unordered)
    verdicts = tuple(
        decide(statement, {f"n = {n}": gap[n] for n in some})
        for statement, gap, some in zip(statements, found, at, strict=True)
    )
    title, axis = "Reconstruction error of test images", "squared error per image"
    plot = line_plot(lines, title, f"n, {many} or components", axis, scale="log")
    caption = f"Squared error of an image, summed over its values in [0, 1], logarithmic; {over_seeds(lines)}"
    return Drawn(
        pictures=(Picture("reconstruction", caption, plot),),
        tables=(table("n", places, lines),),
        verdicts=verdicts,
        numbers=numbers(lines),
    )


def _errors(run: Finished) -> list[float]:
    return [estimate.value for estimate in run.report.reconstruction.model.errors]


def _pca_errors(run: Finished) -> list[float]:
    return [estimate.value for estimate in run.report.reconstruction.pca_clamped.errors]
