"""The two panels of Fig. 7, and the divergence of every latent."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from training.baselines.vae.report import VAEReport
from training.evaluation.intervals import Estimate
from training.evaluation.plots import BASELINE, MODEL, REFERENCE, render
from training.evaluation.report import Curve
from training.files import write_atomically


def write(directory: Path, report: VAEReport) -> None:
    """Write every plot as a PNG file."""
    for name, plot in PLOTS.items():
        write_atomically(directory / name, render(partial(plot, report=report)))


def _gains(axes: Axes, report: VAEReport) -> None:
    counts = range(1, report.latents + 1)
    for name, curve in _curves(report).items():
        _line(axes, name, counts, curve.gains)
    axes.axhline(0, color=REFERENCE, linewidth=0.8)
    # Logarithmic, but for a latent that adds nothing or does harm.
    axes.set_yscale("symlog", linthresh=0.1)
    axes.set_ylabel("Δ(i), reduction of the squared error\nper image (symmetric log scale)")
    _index(axes, "i, index of the latent or component", f"What each latent adds, {_data(report)}")


def _errors(axes: Axes, report: VAEReport) -> None:
    counts = range(report.latents + 1)
    for name, curve in _curves(report).items():
        _line(axes, name, counts, curve.errors)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("squared error per image\n(summed over pixels in [0, 1])")
    _index(axes, "n, latents or components", f"Reconstruction error, {_data(report)}")


def _divergence(axes: Axes, report: VAEReport) -> None:
    counts = range(1, report.latents + 1)
    for name, facts in {"ordered VAE": report.ordered, "standard VAE": report.standard}.items():
        _line(axes, name, counts, facts.divergence)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("KL(q(z | x) || p(z)) of a latent, nats\n(at least its I(z_i; x | z_<i))")
    _index(axes, "i, index of the latent", f"Divergence, {_data(report)}")


def _curves(report: VAEReport) -> dict[str, Curve]:
    return {
        "ordered VAE": report.ordered.curve,
        "standard VAE": report.standard.curve,
        "PCA (clipped to [0, 1])": report.pca_clamped,
    }


def _line(axes: Axes, name: str, counts: range, estimates: Sequence[Estimate]) -> None:
    style, colour = STYLES[name]
    axes.plot(counts, [estimate.value for estimate in estimates], style, color=colour, label=name)


def _index(axes: Axes, label: str, title: str) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel(label)
    axes.set_title(title)


def _data(report: VAEReport) -> str:
    name = report.recipe["name"] if report.data.licence is None else report.data.name
    return f"{report.data.test_images:,} test images ({name})"


STYLES = {
    "ordered VAE": ("o-", MODEL),
    "standard VAE": ("^-", REFERENCE),
    "PCA (clipped to [0, 1])": ("s--", BASELINE),
}
PLOTS = {
    "gain-per-latent.png": _gains,
    "reconstruction-error.png": _errors,
    "divergence-per-latent.png": _divergence,
}
