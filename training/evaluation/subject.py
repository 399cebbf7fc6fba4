"""The data that a bundle is to be judged on, split as for its training."""

from __future__ import annotations

from typing import NamedTuple

import torch

from models.bundle.manifest import Manifest
from models.errors import DataError
from training.data.dataset import Dataset, DataSource, Split, fingerprint, prepare
from training.evaluation.provenance import recipe_of


class _Loaded(NamedTuple):
    """A source that has been read."""

    train: Split
    test: Split

    def load(self) -> tuple[Split, Split]:
        return self.train, self.test


def dataset_for(manifest: Manifest, source: DataSource, name: str) -> Dataset:
    """Read a source and split it as the bundle's recipe did; without a recipe, all training images are one split.

    Args:
        name: what the source is called in errors.

    Raises:
        DataError: if the source cannot be read, or its images or classes are not of the bundle's kind.
    """
    loaded = _Loaded(*source.load())
    for part, split in (("training", loaded.train), ("test", loaded.test)):
        _check(manifest, part, split, name)
    recipe = recipe_of(manifest)
    if recipe is not None:
        return prepare(loaded, recipe)
    none = loaded.train.take(torch.arange(0))
    return Dataset(loaded.train, none, loaded.test, fingerprint(loaded.train, loaded.test))


def _check(manifest: Manifest, part: str, split: Split, name: str) -> None:
    if len(split) < 2:
        raise DataError(f"{name}: the {part} set has {len(split)} images, too few to evaluate on")
    shape = tuple(split.images.shape[1:])
    if shape != manifest.media.shape:
        raise DataError(
            f"{name}: its {part} images have the shape {list(shape)}, but bundle {manifest.name} makes "
            f"{manifest.media.type}s of the shape {list(manifest.media.shape)}"
        )
    classes = int(split.labels.max()) + 1
    if classes != len(manifest.labels):
        raise DataError(
            f"{name}: its {part} images are of {classes} classes, but bundle {manifest.name} has "
            f"{len(manifest.labels)} labels"
        )
