"""Fig. 3b: reconstruction error by code length, ordered, unordered and PCA."""

from __future__ import annotations

from training.report.collect import Finished, Runs
from training.report.drawing import Drawn, Picture, differences, line_plot, numbers, paired, series, table
from training.report.verdicts import decide


def draw(runs: Runs) -> Drawn:
    """The figure. "Short" is up to a quarter of the codes."""
    codes = runs.first("ordered").report.codes
    x = range(codes + 1)
    lines = [
        series(runs, "ordered", x, _errors),
        series(runs, "unordered", x, _errors),
        series(runs, "ordered", x, _pca_errors, name="PCA", baseline=True),
    ]
    title, axis = "Reconstruction error of test images", "squared error per image"
    plot = line_plot(lines, title, "codes or components", axis, scale="log")
    places = [str(n) for n in x]
    ordered, unordered = runs.variants["ordered"], runs.variants["unordered"]
    # Without a code all three are the same picture.
    below_unordered = differences(runs, "unordered", "ordered", places, _errors)
    below_pca = paired(ordered, ordered, places, _pca_errors, _errors)
    pca_below = paired(unordered, unordered, places, _errors, _pca_errors)
    short = places[1 : max(1, codes // 4) + 1]
    verdicts = (
        decide(
            "Ordered codes reconstruct better than unordered ones at every length below all codes",
            {f"n = {n}": below_unordered[n] for n in places[1:-1]},
        ),
        decide(
            "Ordered codes reconstruct better than as many principal components",
            {f"n = {n}": below_pca[n] for n in places[1:]},
        ),
        decide(
            "With up to a quarter of the codes PCA reconstructs better than unordered codes",
            {f"n = {n}": pca_below[n] for n in short},
        ),
        decide(
            "Ordered codes reconstruct no worse than unordered ones with all codes",
            {f"n = {codes}": below_unordered[str(codes)]},
        ),
    )
    caption = "Squared error of an image, summed over its values in [0, 1]; mean over seeds and 95% band"
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
