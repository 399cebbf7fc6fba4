"""Which reader a `--data` argument names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from models.errors import DataError
from training.data.dataset import DataSource
from training.data.idx import IdxFolder


class Reader(NamedTuple):
    """One kind of source: what it is called, how a folder of it is recognised, and how it is opened."""

    kind: str
    recognises: Callable[[Path], bool]
    open: Callable[[Path], DataSource]


READERS = (Reader("IDX files (train-images-idx3-ubyte and its companions)", IdxFolder.recognises, IdxFolder),)


def open_source(spec: str) -> DataSource:
    """Open what `--data` names: a folder that one of the readers recognises.

    Raises:
        DataError: if there is no such folder, or nothing readable in it.
    """
    folder = Path(spec)
    if not folder.exists():
        raise DataError(f"{spec}: no such folder")
    if not folder.is_dir():
        raise DataError(f"{spec}: is not a folder")
    for reader in READERS:
        if reader.recognises(folder):
            return reader.open(folder)
    raise DataError(f"{spec}: holds no data set of a known kind: {'; '.join(reader.kind for reader in READERS)}")
