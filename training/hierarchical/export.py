"""The stage that writes the bundle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from models.bundle.hierarchical import HierarchicalManifest
from models.bundle.writer import write_hierarchical_bundle
from training.context import Run
from training.evaluation.pictures import RECONSTRUCTIONS, SAMPLES
from training.evaluation.provenance import provenance
from training.evaluation.report import REPORT
from training.files import CheckpointError
from training.hierarchical.context import HierarchicalContext
from training.hierarchical.ladder import quality_curve
from training.hierarchical.report import HierarchicalReport
from training.stages.export import read_result


def run(context: HierarchicalContext) -> None:
    """Write the run's bundle, with the evaluation's report and samples beside the weights.

    Raises:
        CheckpointError: if the evaluation's results are missing or damaged.
        BundleError: if the bundle cannot be written.
    """
    report, extra = read_evaluation(context)
    manifest = build_manifest(context, quality_curve(report.ladder))
    manifest = write_hierarchical_bundle(context.bundle_path, manifest, context.hierarchy(), extra)
    size = sum(file.stat().st_size for file in context.bundle_path.iterdir())
    context.progress.say(f"export: {manifest.name}, {size / 1e6:.1f} MB")


def read_evaluation(context: Run[Any]) -> tuple[HierarchicalReport, dict[str, bytes]]:
    """A run's report, and the files of the evaluation that go into a bundle, by name, itself among them.

    Raises:
        CheckpointError: if they are missing or damaged.
    """
    extra = {name: read_result(context, name) for name in (REPORT, SAMPLES, RECONSTRUCTIONS)}
    try:
        return HierarchicalReport.model_validate_json(extra[REPORT]), extra
    except ValidationError as error:
        raise CheckpointError(
            f"{context.evaluation_directory / REPORT}: is damaged: {error.errors()[0]['msg']}"
        ) from error


def build_manifest(context: HierarchicalContext, curve: Sequence[float]) -> HierarchicalManifest:
    """The manifest of a run's model; no times, paths or host names, so that equal runs make equal bundles."""
    recipe = context.recipe
    return HierarchicalManifest(
        name=recipe.name,
        description=recipe.description,
        media=recipe.media,
        labels=recipe.labels,
        hierarchy=recipe.hierarchy,
        sampling=recipe.sampling,
        quality_curve=tuple(curve),
        training=provenance(recipe, context.dataset),
    )
