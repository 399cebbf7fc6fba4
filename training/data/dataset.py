"""A data set in memory, split into train, validation and test."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from models.errors import DataError
from training.recipe import Recipe
from training.seeds import shuffled


@dataclass(frozen=True, slots=True)
class Split:
    """Images and their classes, kept as bytes; converted batch by batch.

    Attributes:
        images: (N, C, H, W) uint8.
        labels: (N,) int64.
    """

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, rows: Tensor | slice, device: torch.device) -> Tensor:
        """The images at `rows` as float32 in [0, 1], (B, C, H, W), on a device."""
        return self.images[rows].to(device).float().div_(255)

    def take(self, rows: Tensor | slice) -> Split:
        """The part of this split at `rows`."""
        return Split(self.images[rows], self.labels[rows])


@dataclass(frozen=True, slots=True)
class Dataset:
    """What a run is trained and judged on.

    Attributes:
        train: what the networks learn from.
        validation: held out of the training set; picks the best epoch.
        test: touched by the evaluation only, after every choice has been made.
        fingerprint: SHA-256 over the source's images and labels, before any split.
    """

    train: Split
    validation: Split
    test: Split
    fingerprint: str


class DataSource(Protocol):
    """A readable data set, opened but not yet read."""

    def load(self) -> tuple[Split, Split]:
        """Read the training and the test set. Raises DataError naming the file at fault."""


def prepare(source: DataSource, recipe: Recipe) -> Dataset:
    """Read a source, check it against the recipe, and hold the validation split out of its training set.

    Raises:
        DataError: if the source cannot be read, or does not have what the recipe asks for.
    """
    train, test = source.load()
    for name, split in (("training", train), ("test", test)):
        _check(name, split, recipe)
    held_out = recipe.data.validation
    if held_out >= len(train):
        raise DataError(f"data.validation asks for {held_out} images, but the training set has {len(train)} in all")
    order = shuffled(len(train), recipe.seed, "validation split")
    rest = order[held_out:]
    if recipe.data.limit is not None:
        rest = rest[: recipe.data.limit]
    codes, entries = recipe.autoencoder.codes, recipe.autoencoder.codebook
    if len(rest) * codes < entries:
        raise DataError(f"{len(rest)} training images of {codes} codes are too few for a codebook of {entries} entries")
    return Dataset(train.take(rest), train.take(order[:held_out]), test, fingerprint(train, test))


def _check(name: str, split: Split, recipe: Recipe) -> None:
    shape, expected = tuple(split.images.shape[1:]), recipe.media.shape
    if len(split) == 0:
        raise DataError(f"the {name} set is empty")
    if shape != expected:
        raise DataError(f"the {name} set's images are {list(shape)}, but the recipe's media.shape is {list(expected)}")
    highest = int(split.labels.max())
    if highest >= len(recipe.labels):
        raise DataError(f"the {name} set has a label {highest}, but the recipe names {len(recipe.labels)} labels")


def fingerprint(*splits: Split) -> str:
    """SHA-256 over the shapes and bytes of splits' images and labels."""
    digest = hashlib.sha256()
    for split in splits:
        for tensor in (split.images, split.labels):
            digest.update(str(tuple(tensor.shape)).encode())
            digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()
