"""What a bundle says of its own making: enough to make it again, and nothing that changes from run to run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from models.bundle.manifest import Manifest
from models.config import Frozen
from models.errors import RecipeError
from training.context import RunContext
from training.data.dataset import Dataset
from training.evaluation.known import identify
from training.evaluation.versions import versions
from training.recipe import AnyRecipe, Recipe, parse_recipe


class DataProvenance(Frozen):
    """The data a model was trained on."""

    name: str
    licence: str | None
    fingerprint: str
    train_images: int
    validation_images: int


def build_manifest(context: RunContext, quality_curve: Sequence[float]) -> Manifest:
    """The manifest of a run's model; no times, paths or host names, so that equal runs make equal bundles."""
    recipe = context.recipe
    return Manifest(
        name=recipe.name,
        description=recipe.description,
        media=recipe.media,
        labels=recipe.labels,
        autoencoder=recipe.autoencoder,
        prior=recipe.prior,
        sampling=recipe.sampling,
        quality_curve=tuple(quality_curve),
        training=provenance(recipe, context.dataset),
    )


def provenance(recipe: AnyRecipe, dataset: Dataset) -> dict[str, Any]:
    """What a manifest says of how a model was made."""
    known = identify(dataset.fingerprint)
    data = DataProvenance(
        name=known.name,
        licence=known.licence,
        fingerprint=dataset.fingerprint,
        train_images=len(dataset.train),
        validation_images=len(dataset.validation),
    )
    return {
        "recipe": recipe.model_dump(mode="json"),
        "data": data.model_dump(mode="json"),
        "seed": recipe.seed,
        "versions": versions(),
    }


def recipe_of(manifest: Manifest) -> Recipe | None:
    """The recipe in a manifest's provenance; None if it names none or one that this version does not understand."""
    values = manifest.training.get("recipe")
    if not isinstance(values, dict):
        return None
    try:
        return parse_recipe(values, manifest.name)
    except RecipeError:
        # A bundle of another version is still worth evaluating, under the defaults.
        return None


def fingerprint_of(manifest: Manifest) -> str | None:
    """The fingerprint of the data a model was trained on, if its provenance names it."""
    data: Any = manifest.training.get("data")
    fingerprint = data.get("fingerprint") if isinstance(data, dict) else None
    return fingerprint if isinstance(fingerprint, str) else None
