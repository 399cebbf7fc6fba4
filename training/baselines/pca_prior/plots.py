"""Where the bits of appendix D go."""

from __future__ import annotations

from functools import partial
from itertools import accumulate
from pathlib import Path

from matplotlib.axes import Axes

from training.baselines.pca_prior.report import PCAPriorReport
from training.evaluation.plots import BASELINE, MODEL, render
from training.files import write_atomically

BITS = "bits-by-position.png"


def write(directory: Path, report: PCAPriorReport) -> None:
    """Write the plot as a PNG file."""
    write_atomically(directory / BITS, render(partial(_bits, report=report)))


def _bits(axes: Axes, report: PCAPriorReport) -> None:
    total = len(report.pixels.bits_by_position)
    for name, colour, facts in (("pixels", MODEL, report.pixels), ("PCA coefficients", BASELINE, report.coefficients)):
        sums = [bits / total for bits in accumulate(facts.bits_by_position, initial=0.0)]
        axes.plot(range(total + 1), sums, color=colour, label=f"{name} ({facts.bits_per_dim.value:.3f} bits per dim)")
    axes.set_xlabel("numbers predicted, pixels in reading order or components by falling variance")
    axes.set_ylabel("bits per dim spent so far")
    name = report.recipe["name"] if report.data.licence is None else report.data.name
    axes.set_title(f"Prior on pixels and on PCA, {report.data.test_images:,} test images ({name})")
