"""CIFAR-10 and CIFAR-100 in their binary version: records of one label byte or two and 3 x 32 x 32 pixels."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from models.errors import DataError
from training.data.dataset import Parts, Split
from training.data.request import Request

SHAPE = (3, 32, 32)
PIXELS = 3 * 32 * 32


class Version(NamedTuple):
    """One of the two data sets.

    Attributes:
        labels: one per label byte of a record, in order: what it is called, and the file with its names. The last is
            taken if none is asked for.
    """

    name: str
    folder: str
    train: tuple[str, ...]
    test: str
    labels: tuple[tuple[str, str], ...]


CIFAR10 = Version(
    "CIFAR-10",
    "cifar-10-batches-bin",
    tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
    "test_batch.bin",
    (("class", "batches.meta.txt"),),
)
CIFAR100 = Version(
    "CIFAR-100",
    "cifar-100-binary",
    ("train.bin",),
    "test.bin",
    (("coarse", "coarse_label_names.txt"), ("fine", "fine_label_names.txt")),
)


class CifarFolder:
    """A folder with the files of one version, or the folder that holds it."""

    def __init__(self, version: Version, folder: Path) -> None:
        inside = folder / version.folder
        self._version, self._folder = version, inside if inside.is_dir() else folder

    @staticmethod
    def recognises(version: Version, folder: Path) -> bool:
        """Whether it is named as distributed, holds such a folder, or holds files of that version."""
        if (folder / version.folder).is_dir() or folder.name == version.folder:
            return True
        return (folder / version.train[0]).is_file() and (folder / version.labels[0][1]).is_file()

    def load(self, request: Request) -> Parts:
        """Read the training and the test set into memory. Raises DataError naming the file at fault."""
        request.expect(self._version.name, "label", media="image")
        column = self._column(request.options.label)
        names = self._names(self._version.labels[column][1])
        train = [self._read(name, column, len(names)) for name in self._version.train]
        return Parts(_join(train), self._read(self._version.test, column, len(names)), names=names)

    def _column(self, label: str | None) -> int:
        known = [name for name, _ in self._version.labels]
        if label is None:
            return len(known) - 1
        if label not in known:
            raise DataError(f"data.label: {self._version.name} has no label {label!r}, but {' and '.join(known)}")
        return known.index(label)

    def _names(self, name: str) -> tuple[str, ...]:
        lines = self._content(name).decode("utf-8", "replace").splitlines()
        return tuple(line.strip() for line in lines if line.strip())

    def _read(self, name: str, column: int, labels: int) -> Split:
        content = self._content(name)
        record = len(self._version.labels) + PIXELS
        if not content or len(content) % record:
            raise DataError(
                f"{self._folder / name}: is no whole number of records, {len(content)} bytes of {record} each"
            )
        records: NDArray[np.uint8] = np.frombuffer(content, dtype=np.uint8).reshape(-1, record)
        highest = int(records[:, column].max())
        if highest >= labels:
            raise DataError(f"{self._folder / name}: has a label {highest}, but only {labels} labels have a name")
        images = records[:, -PIXELS:].reshape(-1, *SHAPE)
        return Split(torch.from_numpy(images.copy()), torch.from_numpy(records[:, column].astype(np.int64)))

    def _content(self, name: str) -> bytes:
        try:
            return (self._folder / name).read_bytes()
        except FileNotFoundError as error:
            raise DataError(f"{self._folder}: has no {name}, as {self._version.name}'s binary version does") from error
        except OSError as error:
            raise DataError(f"{self._folder / name}: cannot be read ({error.strerror})") from error


def _join(splits: list[Split]) -> Split:
    return Split(torch.cat([split.images for split in splits]), torch.cat([split.labels for split in splits]))
