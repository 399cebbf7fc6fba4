"""Runs of any recipes side by side: errors, distances and recognition, without a claim."""

from __future__ import annotations

from collections.abc import Sequence

from training.report.collect import ReportError, Runs, check_comparable
from training.report.drawing import Drawn, Picture, line_plot, numbers, over_seeds, series, table
from training.report.figures.distance import distance_figure, distances, places
from training.report.section import Part, Section, facts_of


def overview(runs: Runs) -> Section:
    """A section for runs that no study brought together."""
    parts = [Part("", "Reconstruction error by code length", "", _errors(runs)), *_samples(runs)]
    return Section("runs", "Single runs", tuple(parts), facts_of(runs), runs)


def _errors(runs: Runs) -> Drawn:
    lines = []
    for variant in runs.variants:
        codes = runs.first(variant).report.codes
        lines.append(
            series(
                runs, variant, range(codes + 1), lambda run: [e.value for e in run.report.reconstruction.model.errors]
            )
        )
    plot = line_plot(lines, "Reconstruction error of test images", "codes", "squared error per image", scale="log")
    tables = [table("n", [str(int(n)) for n in line.x], [line]) for line in lines]
    caption = f"Squared error of an image, summed over its values in [0, 1]; {over_seeds(lines)}"
    return Drawn((Picture("reconstruction", caption, plot),), tuple(tables), (), numbers(lines))


def _samples(runs: Runs) -> Sequence[Part]:
    title = "Distance of samples by fraction of the codes"
    try:
        check_comparable(runs.all())
    except ReportError as error:
        return [Part("", title, "", None, str(error))]
    lines = []
    for variant in runs.variants:
        fractions = [facts.fraction for facts in runs.first(variant).report.samples.fractions]
        lines.append(series(runs, variant, fractions, distances))
    drawn = distance_figure(runs.all(), lines[0].x, lines, ())
    tables = [table("fraction", places(line.x), [line]) for line in lines]
    return [Part("", title, "", Drawn(drawn.pictures, tuple(tables), (), drawn.numbers, drawn.notes))]
