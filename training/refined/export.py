"""The stage that writes the bundle."""

from __future__ import annotations

from collections.abc import Sequence

from models.bundle.networks import Networks
from models.bundle.refined import RefinedManifest
from models.bundle.writer import write_refined_bundle
from training.evaluation.provenance import provenance
from training.hierarchical.export import read_evaluation
from training.hierarchical.ladder import quality_curve
from training.refined.context import RefinedContext


def run(context: RefinedContext) -> None:
    """Write the run's bundle, with the base in it, and the evaluation's report and samples beside the weights.

    Raises:
        CheckpointError: if the evaluation's results are missing or damaged.
        BundleError: if the bundle cannot be written.
    """
    report, extra = read_evaluation(context)
    base = context.base()
    manifest = build_manifest(context, base, quality_curve(report.ladder))
    networks = (base.autoencoder, base.prior)
    manifest = write_refined_bundle(context.bundle_path, manifest, networks, context.refiner(), extra)
    size = sum(file.stat().st_size for file in context.bundle_path.iterdir())
    context.progress.say(f"export: {manifest.name}, {size / 1e6:.1f} MB")


def build_manifest(context: RefinedContext, base: Networks, curve: Sequence[float]) -> RefinedManifest:
    """The manifest of a run's model; no times, paths or host names, so that equal runs make equal bundles."""
    recipe = context.recipe
    return RefinedManifest(
        name=recipe.name,
        description=recipe.description,
        base=base.manifest,
        refiner=recipe.refiner,
        sampling=recipe.sampling,
        quality_curve=tuple(curve),
        training=provenance(recipe, context.dataset),
    )
