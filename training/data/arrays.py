"""Arrays in `.npy` files: written row by row, read by mapping them into memory."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class ArrayWriter:
    """A `.npy` file that grows by rows; its header says how many once it is closed.

    Args:
        path: the file, replaced.
        row: shape of a row.
    """

    def __init__(self, path: Path, dtype: type[np.generic], row: tuple[int, ...]) -> None:
        self._dtype, self._row = np.dtype(dtype), row
        self._file = path.open("wb")
        self._write_header(0)
        self._start = self._file.tell()
        self.rows = 0

    def __enter__(self) -> ArrayWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._finish()
        self._file.close()

    def append(self, rows: NDArray[Any]) -> None:
        """Add rows, (n, *row)."""
        if rows.shape[1:] != self._row or rows.dtype != self._dtype:
            raise ValueError(f"rows of {rows.dtype} {rows.shape[1:]} in an array of {self._dtype} {self._row}")
        self._file.write(rows.tobytes())
        self.rows += len(rows)

    def _finish(self) -> None:
        self._file.seek(0)
        self._write_header(self.rows)
        if self._file.tell() != self._start:  # NumPy leaves room for the number of rows to grow
            raise ValueError("the header's length has changed")
        self._file.flush()
        os.fsync(self._file.fileno())

    def _write_header(self, rows: int) -> None:
        descr = np.lib.format.dtype_to_descr(self._dtype)
        header = {"descr": descr, "fortran_order": False, "shape": (rows, *self._row)}
        np.lib.format.write_array_header_1_0(self._file, header)


def map_array(path: Path) -> Tensor:
    """A `.npy` file as a tensor that is read from it as it is used.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it is not a whole `.npy` file.
    """
    # "c": the file is never written to, but a tensor must be able to write to its memory.
    return torch.from_numpy(np.load(path, mmap_mode="c", allow_pickle=False))
