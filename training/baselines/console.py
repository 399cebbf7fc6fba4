"""What a baseline has found, on the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from training.baselines.pca_prior.report import PCAPriorReport
from training.baselines.vae.report import VAEReport
from training.evaluation.console import claims_table
from training.evaluation.intervals import Estimate


def show(console: Console, report: VAEReport | PCAPriorReport) -> None:
    """Print a report's numbers and its claims."""
    console.print(_errors(report) if isinstance(report, VAEReport) else _bits(report))
    console.print(claims_table(report.claims))


def _errors(report: VAEReport) -> Table:
    table = Table(
        title=f"Reconstruction of {report.data.test_images:,} test images",
        caption=(
            "squared error per image, summed over pixels in [0, 1]; pairs of latents in the wrong order: "
            f"ordered {report.ordered.rises:.1%}, standard {report.standard.rises:.1%}, PCA {report.pca_rises:.1%}"
        ),
    )
    for heading in ("latents", "ordered", "standard", "PCA", "Δ ordered", "Δ standard", "Δ PCA"):
        table.add_column(heading, justify="right")
    curves = (report.ordered.curve, report.standard.curve, report.pca_clamped)
    for n in range(report.latents + 1):
        errors = [f"{curve.errors[n].value:.3f}" for curve in curves]
        gained = [f"{curve.gains[n - 1].value:.3f}" if n else "" for curve in curves]
        table.add_row(str(n), *errors, *gained)
    return table


def _bits(report: PCAPriorReport) -> Table:
    reduced = "; ".join(report.reduced) or "nothing"
    table = Table(
        title=f"Bits per dim of {report.data.test_images:,} test images",
        caption=f"95% intervals; reduced from the paper: {reduced}",
    )
    for heading in ("model of", "bits per dim", "each number alone", "stated (MNIST)"):
        table.add_column(heading, justify="right")
    for name, facts in (("pixels", report.pixels), ("coefficients", report.coefficients)):
        table.add_row(
            name,
            _interval(facts.bits_per_dim),
            f"{facts.marginal_bits_per_dim.value:.3f}",
            f"{report.stated[name]:.2f}",
        )
    return table


def _interval(estimate: Estimate) -> str:
    return f"{estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"
