"""Plots of a report. Drawn without pyplot, so that no display and no global state is needed."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from training.evaluation.claims import RECOGNISED
from training.evaluation.intervals import Estimate
from training.evaluation.report import Report
from training.evaluation.words import words_for
from training.files import write_atomically

SIZE = (6.4, 4.2)  # inches
DPI = 120
Plot = Callable[[Axes, Report], None]
MODEL, BASELINE, REFERENCE, FAINT = "#1f5fa8", "#c8553d", "#555555", "#b8b8b8"


def write(directory: Path, report: Report, more: Mapping[str, Plot] | None = None) -> None:
    """Write every plot, and those that are added, as a PNG file; none of recognition where there is a single class."""
    for name, plot in {**PLOTS, **(more or {})}.items():
        if plot is _recognition and report.samples.fractions[-1].recognition is None:
            (directory / name).unlink(missing_ok=True)
        else:
            write_atomically(directory / name, render(_of(report, plot)))


def _of(report: Report, plot: Plot) -> Callable[[Axes], None]:
    return lambda axes: plot(axes, report)


def render(plot: Callable[[Axes], None]) -> bytes:
    """A figure with one pair of axes, drawn by `plot`, as a PNG; what it labels goes into the legend."""
    figure = Figure(figsize=SIZE, dpi=DPI, layout="constrained")
    axes = figure.subplots()
    axes.grid(color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    plot(axes)
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize="small")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _reconstruction(axes: Axes, report: Report) -> None:
    facts, words = report.reconstruction, words_for(report.data.shape)
    counts = range(report.codes + 1)
    axes.plot(
        counts,
        [e.value for e in facts.pca_clamped.errors],
        "s--",
        color=BASELINE,
        label=f"PCA, n components (clipped to {words.limits})",
    )
    axes.plot(counts, [e.value for e in facts.model.errors], "o-", color=MODEL, label="model, n codes")
    axes.set_ylim(bottom=0)
    count_axis(axes, "n, codes or components")
    axes.set_ylabel(f"squared error per {words.one}\n(summed over {words.values})")
    axes.set_title(f"Reconstruction error, {facts.images:,} test {words.many} ({_data(report)})")


def _gains(axes: Axes, report: Report) -> None:
    facts, words = report.reconstruction, words_for(report.data.shape)
    counts = range(1, report.codes + 1)
    linear = [e.value for e in facts.pca_clamped.gains]
    axes.plot(counts, linear, "s--", color=BASELINE, label=f"PCA (clipped to {words.limits})")
    axes.plot(counts, [e.value for e in facts.model.gains], "o-", color=MODEL, label="model")
    # Logarithmic, but for a code that adds nothing or does harm.
    axes.set_yscale("symlog", linthresh=0.1)
    axes.set_ylim(bottom=min(0.0, *(e.value for e in facts.model.gains)))
    count_axis(axes, "i, index of the code or component")
    axes.set_ylabel(f"Δ(i), reduction of the squared error\nper {words.one} (symmetric log scale)")
    axes.set_title(f"What each code adds, Eq. (7) ({_data(report)})")


def _distance(axes: Axes, report: Report) -> None:
    fractions, words = report.samples.fractions, words_for(report.data.shape)
    _points(axes, [f.fraction for f in fractions], [f.distance for f in fractions], "samples")
    floor = sum(report.distance.floor) / 2
    axes.axhline(report.distance.reconstructions, color=BASELINE, linestyle="--", label="reconstructions, all codes")
    axes.axhline(floor, color=REFERENCE, linestyle=":", label=f"real training {words.many}")
    axes.set_ylim(bottom=0)
    _fraction_axis(axes, report)
    axes.set_ylabel(report.distance.name)
    axes.set_title(f"Distance of {report.samples.count:,} samples to real {words.many} ({_data(report)})")


def _recognition(axes: Axes, report: Report) -> None:
    fractions = report.samples.fractions
    xs = [f.fraction for f in fractions]
    for index, label in enumerate(fractions[0].recognition_by_label):
        values = [f.recognition_by_label[label].value for f in fractions]
        axes.plot(xs, values, color=FAINT, linewidth=1, label="each label" if index == 0 else None)
    _points(axes, xs, [f.recognition for f in fractions if f.recognition], "all labels")
    if accuracy := report.extractor.test_accuracy:
        many = words_for(report.data.shape).many
        axes.axhline(accuracy.value, color=REFERENCE, linestyle=":", label=f"real test {many} ({accuracy.value:.1%})")
    axes.axhline(RECOGNISED, color=BASELINE, linestyle="--", label=f"claimed at full length ({RECOGNISED:.0%})")
    axes.set_ylim(0, 1.02)
    _fraction_axis(axes, report)
    axes.set_ylabel("share of samples recognised")
    axes.set_title(f"Samples recognised as their label ({_data(report)})")


def _quality(axes: Axes, report: Report) -> None:
    counts, many = range(report.codes + 1), words_for(report.data.shape).many
    axes.plot(
        counts, report.quality_curve, "-", color=MODEL, label=f"in the bundle: fitted on held-out {many}, concave"
    )
    if report.reconstruction.quality is not None:
        axes.plot(counts, report.reconstruction.quality, "o", color=BASELINE, label=f"measured on the test {many}")
    axes.set_ylim(0, 1.05)
    count_axis(axes, "n, codes")
    axes.set_ylabel("expected quality q(n)\n(share of the achievable error reduction)")
    axes.set_title(f"Quality curve ({report.model})")


def _points(axes: Axes, xs: Sequence[float], estimates: Sequence[Estimate], label: str) -> None:
    """Values with their 95% intervals as bars."""
    values = [estimate.value for estimate in estimates]
    below = [max(0.0, estimate.value - estimate.low) for estimate in estimates]
    above = [max(0.0, estimate.high - estimate.value) for estimate in estimates]
    axes.errorbar(xs, values, yerr=(below, above), fmt="o-", color=MODEL, capsize=3, label=f"{label} (95% interval)")


def count_axis(axes: Axes, label: str) -> None:
    """Whole numbers from left to right."""
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel(label)


def _fraction_axis(axes: Axes, report: Report) -> None:
    fractions = report.samples.fractions
    axes.set_xticks([f.fraction for f in fractions], [f"{f.fraction:g}\n({f.codes})" for f in fractions])
    axes.set_xlim(fractions[0].fraction - 0.1, 1.05)
    axes.set_xlabel(f"fraction of the codes (codes of {report.codes})")


def _data(report: Report) -> str:
    return report.data.name if report.data.licence else report.model


PLOTS: Mapping[str, Plot] = {
    "reconstruction-error.png": _reconstruction,
    "gain-per-code.png": _gains,
    "distance.png": _distance,
    "recognition.png": _recognition,
    "quality-curve.png": _quality,
}
