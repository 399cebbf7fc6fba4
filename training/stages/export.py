"""The stage that writes the bundle, all that the service needs."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from models.bundle.writer import write_bundle
from training.context import Run, RunContext
from training.evaluation.eight_bit import recorded
from training.evaluation.kinds import kind_of
from training.evaluation.provenance import build_manifest
from training.evaluation.report import REPORT
from training.files import CheckpointError


def run(context: RunContext) -> None:
    """Write the run's bundle, with the evaluation's report and samples beside the weights.

    Raises:
        CheckpointError: if the evaluation's results are missing or damaged.
        BundleError: if the bundle cannot be written.
    """
    kind = kind_of(context.recipe.media)
    extra = {name: read_result(context, name) for name in (REPORT, *kind.shipped)}
    try:
        report = kind.report.model_validate_json(extra[REPORT])
    except ValidationError as error:
        raise CheckpointError(
            f"{context.evaluation_directory / REPORT}: is damaged: {error.errors()[0]['msg']}"
        ) from error
    manifest = build_manifest(context, report.quality_curve).model_copy(update={"eight_bit": recorded(report)})
    write_bundle(context.bundle_path, manifest, context.autoencoder(), context.prior(), extra)
    size = sum(file.stat().st_size for file in context.bundle_path.iterdir())
    context.progress.say(f"export: {manifest.name}, {size / 1e6:.1f} MB")


def read_result(context: Run[Any], name: str) -> bytes:
    """A file that the evaluation has written. Raises CheckpointError if it cannot be read."""
    path = context.evaluation_directory / name
    try:
        return path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from error
