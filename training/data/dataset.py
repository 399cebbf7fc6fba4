"""A data set, in memory or mapped from a file, split into train, validation and test."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from models.config import Media
from models.errors import DataError
from models.media import pictures, sound
from training.data.fetching import fetching
from training.data.labels import match_labels
from training.data.progress import QUIET, PreparationProgress
from training.data.request import Request, default_cache
from training.recipe import Experiment, Recipe
from training.seeds import shuffled

NOUNS = {"image": "images", "audio": "clips"}
# What 1.0 is in a sample as it is stored: audio keeps 16-bit files as they are.
FULL_SCALE = {torch.uint8: pictures.FULL_SCALE, torch.int16: sound.FULL_SCALE}
HASHED_AT_ONCE = 4096  # rows


@dataclass(frozen=True, slots=True)
class Split:
    """Samples and their classes, kept as integers; converted batch by batch.

    Attributes:
        images: (N, C, H, W) uint8; of audio (N, 1, T) int16.
        labels: (N,) int64.
    """

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, rows: Tensor | slice, device: torch.device) -> Tensor:
        """The samples at `rows` as float32 on a device: images (B, C, H, W) in [0, 1], audio (B, 1, T) in [-1, 1]."""
        with fetching():
            samples = self.images[rows]
        return samples.to(device).float().div_(FULL_SCALE[self.images.dtype])

    def take(self, rows: Tensor | slice) -> Split:
        """The part of this split at `rows`; a slice shares this split's memory."""
        return Split(self.images[rows], self.labels[rows])

    def relabelled(self, mapping: Tensor | None) -> Split:
        """This split with each label replaced by its entry in `mapping`, (labels,) int64."""
        return self if mapping is None else Split(self.images, mapping[self.labels])


@dataclass(frozen=True, slots=True)
class Parts:
    """What a source holds, before anything is held out of its training set.

    Attributes:
        validation: the source's own, if it has one.
        names: of the labels; None if they are numbers only.
        groups: (N,) int64, ascending: the file that each training sample is cut from. The files are in random order
            already. None if every sample stands for itself.
        fingerprint: of the splits, if it is known already.
    """

    train: Split
    test: Split
    validation: Split | None = None
    names: tuple[str, ...] | None = None
    groups: Tensor | None = None
    fingerprint: str | None = None

    def named(self) -> list[tuple[str, Split]]:
        """The splits there are, with their names."""
        own = [] if self.validation is None else [("validation", self.validation)]
        return [("training", self.train), *own, ("test", self.test)]


@dataclass(frozen=True, slots=True)
class Dataset:
    """What a run is trained and judged on.

    Attributes:
        train: what the networks learn from.
        validation: held out of the training set; picks the best epoch.
        test: touched by the evaluation only, after every choice has been made.
        fingerprint: SHA-256 over the source's samples and labels, before any split.
        labels: names of the labels, in the order of their indices.
    """

    train: Split
    validation: Split
    test: Split
    fingerprint: str
    labels: tuple[str, ...]


class DataSource(Protocol):
    """A readable data set, opened but not yet read."""

    def load(self, request: Request) -> Parts:
        """Read the data, or what an earlier run has prepared of it. Raises DataError naming the file at fault."""


def prepare(
    source: DataSource, recipe: Experiment, cache: Path | None = None, progress: PreparationProgress = QUIET
) -> Dataset:
    """Read a source, check it against the recipe, and hold the validation split out of its training set.

    Args:
        cache: folder of prepared data; None is the user's.

    Raises:
        DataError: if the source cannot be read, or does not have what the recipe asks for.
    """
    return arrange(source.load(Request(recipe.media, recipe.data, cache or default_cache(), progress)), recipe)


def arrange(parts: Parts, recipe: Experiment, owner: str = "the recipe") -> Dataset:
    """Check what a source holds, name its labels and hold the validation split out of its training set.

    Args:
        owner: whose labels the recipe's are, in messages.

    Raises:
        DataError: if the data is not what the recipe asks for.
    """
    for name, split in parts.named():
        _check(name, split, recipe.media)
        if parts.names is None and recipe.labels and (highest := int(split.labels.max())) >= len(recipe.labels):
            raise DataError(f"the {name} set has a label {highest}, but {owner} names {len(recipe.labels)} labels")
    highest = max(int(split.labels.max()) for _, split in parts.named())
    labels = match_labels(parts.names, recipe.labels, highest, owner)
    train, validation = _hold_out(parts, recipe)
    if isinstance(recipe, Recipe):
        _check_codebook(len(train), recipe)
    train, validation, test = (split.relabelled(labels.mapping) for split in (train, validation, parts.test))
    print_of_all = parts.fingerprint or fingerprint(*(split for _, split in parts.named()))
    return Dataset(train, validation, test, print_of_all, labels.names)


def _check(name: str, split: Split, media: Media) -> None:
    shape, noun = tuple(split.images.shape[1:]), NOUNS[media.type]
    if len(split) == 0:
        raise DataError(f"the {name} set is empty")
    if shape != media.shape:
        raise DataError(
            f"the {name} set's {noun} are {list(shape)}, but the recipe's media.shape is {list(media.shape)}"
        )


def _check_codebook(samples: int, recipe: Recipe) -> None:
    codes, entries, noun = recipe.autoencoder.codes, recipe.autoencoder.codebook, NOUNS[recipe.media.type]
    if samples * codes < entries:
        raise DataError(f"{samples} training {noun} of {codes} codes are too few for a codebook of {entries} entries")


def _hold_out(parts: Parts, recipe: Experiment) -> tuple[Split, Split]:
    """What is trained on, and what is held out for validation."""
    train, limit = parts.train, recipe.data.limit
    if parts.validation is not None:
        most = int(recipe.data.validation) or None  # a share of the training set has no meaning here
        return train.take(slice(limit)), parts.validation.take(slice(most))
    held_out = recipe.data.held_out(len(train))
    if held_out < len(train) and parts.groups is not None:
        # To the end of a file, so that no file is on both sides; as slices, which leave the samples where they are.
        held_out = int((parts.groups <= parts.groups[held_out - 1]).sum())
    if held_out >= len(train):
        raise DataError(
            f"data.validation asks for {held_out} {NOUNS[recipe.media.type]}, "
            f"but the training set has {len(train)} in all"
        )
    if parts.groups is not None:
        return train.take(slice(held_out, limit and held_out + limit)), train.take(slice(held_out))
    order = shuffled(len(train), recipe.seed, "validation split")
    return train.take(order[held_out:][:limit]), train.take(order[:held_out])


def fingerprint(*splits: Split) -> str:
    """SHA-256 over the shapes and bytes of splits' samples and labels."""
    digest = hashlib.sha256()
    for split in splits:
        for tensor in (split.images, split.labels):
            digest.update(str(tuple(tensor.shape)).encode())
            # By pieces, because the whole may be larger than the memory.
            for rows in torch.split(tensor, HASHED_AT_ONCE):
                digest.update(rows.numpy().tobytes())
    return digest.hexdigest()
