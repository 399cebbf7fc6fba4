"""IDX files, the format in which MNIST and its relatives are distributed, plain or gzipped."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.errors import DataError
from training.data.dataset import Parts, Split, fingerprint
from training.data.request import Request

UNSIGNED_BYTE = 0x08
IMAGES = "images", 3
LABELS = "labels", 1


class IdxFolder:
    """A folder with the four files of MNIST: train and t10k, images and labels."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @staticmethod
    def recognises(folder: Path) -> bool:
        """Whether any of the four files is there."""
        return any(folder.glob("*-idx[13]-ubyte*")) or any(folder.glob("*.idx[13]-ubyte*"))

    def load(self, request: Request) -> Parts:
        """Read the training and the test set into memory. Raises DataError naming the file at fault."""
        request.expect("IDX files", "pad", media="image")
        train, test = self._split("train"), self._split("t10k")
        if not request.options.pad:
            return Parts(train, test)
        # Told apart by what the files hold, whatever is around it.
        content = fingerprint(train, test)
        train, test = (_padded(split, request.options.pad) for split in (train, test))
        return Parts(train, test, fingerprint=content)

    def _split(self, part: str) -> Split:
        images_path, labels_path = self._find(part, *IMAGES), self._find(part, *LABELS)
        images, labels = read_idx(images_path, 3), read_idx(labels_path, 1)
        if len(images) != len(labels):
            counts = f"{len(labels)} labels for the {len(images)} images of {images_path.name}"
            raise DataError(f"{labels_path}: has {counts}")
        return Split(images[:, None], labels.long())

    def _find(self, part: str, content: str, rank: int) -> Path:
        stem = f"{part}-{content}"
        names = [f"{stem}{dash}idx{rank}-ubyte{suffix}" for suffix in ("", ".gz") for dash in "-."]
        for name in names:
            if (self._folder / name).is_file():
                return self._folder / name
        raise DataError(f"{self._folder}: has no {stem}-idx{rank}-ubyte, plain or .gz")


def _padded(split: Split, width: int) -> Split:
    """With so many black pixels on each side."""
    return Split(torch.nn.functional.pad(split.images, (width,) * 4), split.labels)


def read_idx(path: Path, rank: int) -> Tensor:
    """Read one IDX file of unsigned bytes.

    Args:
        path: the file; gzipped if its name ends in `.gz`.
        rank: dimensions it must have, 3 for images and 1 for labels.

    Returns:
        uint8, of the file's shape.

    Raises:
        DataError: if the file cannot be read or is not a whole IDX file of that rank.
    """
    content = _read(path)
    start = 4 + 4 * rank
    if len(content) < start:
        raise DataError(f"{path}: is cut short, {len(content)} bytes are less than an IDX header of {start}")
    expected = bytes([0, 0, UNSIGNED_BYTE, rank])
    if content[:4] != expected:
        raise DataError(f"{path}: starts with 0x{content[:4].hex()}, not with the IDX magic number 0x{expected.hex()}")
    shape = [int(size) for size in np.frombuffer(content, dtype=">u4", count=rank, offset=4)]
    found, needed = len(content) - start, int(np.prod(shape, dtype=object))
    if found != needed:
        problem = "is cut short" if found < needed else "goes on past its end"
        raise DataError(f"{path}: {problem}, its header promises {needed} bytes of data and {found} follow")
    # A copy, because a tensor must be able to write to its memory.
    return torch.from_numpy(np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape).copy())


def _read(path: Path) -> bytes:
    try:
        if path.suffix != ".gz":
            return path.read_bytes()
        with gzip.open(path) as file:
            return file.read()
    except EOFError as error:
        raise DataError(f"{path}: is cut short, the gzip stream has no end") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: is not an intact gzip file ({error})") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
