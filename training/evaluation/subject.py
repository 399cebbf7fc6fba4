"""The data that a bundle is to be judged on, split as for its training."""

from __future__ import annotations

from pathlib import Path

import torch

from models.bundle.manifest import Manifest
from models.errors import DataError
from training.data.dataset import NOUNS, Dataset, DataSource, Parts, Split, arrange, fingerprint
from training.data.labels import match_labels
from training.data.options import DataRecipe
from training.data.progress import QUIET, PreparationProgress
from training.data.request import Request, default_cache
from training.evaluation.provenance import recipe_of


def dataset_for(
    manifest: Manifest,
    source: DataSource,
    name: str,
    cache: Path | None = None,
    progress: PreparationProgress = QUIET,
) -> Dataset:
    """Read a source and split it as the bundle's recipe did; without a recipe, all training images are one split.

    Labels are the bundle's: matched by name if the data has names, too.

    Args:
        name: what the source is called in errors.
        cache: folder of prepared data; None is the user's.

    Raises:
        DataError: if the source cannot be read, or its images or classes are not of the bundle's kind.
    """
    recipe = recipe_of(manifest)
    options = DataRecipe(validation=1) if recipe is None else recipe.data
    parts = source.load(Request(manifest.media, options, cache or default_cache(), progress))
    for part, split in (("training", parts.train), ("test", parts.test)):
        _check(manifest, part, split, name)
        if parts.names is None:
            _check_classes(manifest, part, split, name)
    owner = f"bundle {manifest.name}"
    if recipe is not None:
        return arrange(parts, recipe.model_copy(update={"labels": manifest.labels}), owner)
    return _undivided(parts, manifest.labels, owner)


def _undivided(parts: Parts, wanted: tuple[str, ...], owner: str) -> Dataset:
    names, mapping = match_labels(parts.names, wanted, len(wanted) - 1, owner)
    train, test = parts.train.relabelled(mapping), parts.test.relabelled(mapping)
    content = parts.fingerprint or fingerprint(*(split for _, split in parts.named()))
    return Dataset(train, train.take(torch.arange(0)), test, content, names)


def _check(manifest: Manifest, part: str, split: Split, name: str) -> None:
    noun = NOUNS[manifest.media.type]
    if len(split) < 2:
        raise DataError(f"{name}: the {part} set has {len(split)} {noun}, too few to evaluate on")
    shape = tuple(split.images.shape[1:])
    if shape != manifest.media.shape:
        raise DataError(
            f"{name}: its {part} {noun} have the shape {list(shape)}, but bundle {manifest.name} makes "
            f"{noun} of the shape {list(manifest.media.shape)}"
        )


def _check_classes(manifest: Manifest, part: str, split: Split, name: str) -> None:
    classes = int(split.labels.max()) + 1
    if classes != len(manifest.labels):
        raise DataError(
            f"{name}: its {part} {NOUNS[manifest.media.type]} are of {classes} classes, but bundle {manifest.name} has "
            f"{len(manifest.labels)} labels"
        )
