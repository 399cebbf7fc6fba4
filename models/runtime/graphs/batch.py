"""What the host tells the device of a batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from models.runtime.graphs.launcher import Launcher


class Batch:
    """The rows of a batch of a fixed size and a number for each, always in the same place on the device.

    Padding is the table's spare row with the number 0.

    Args:
        size: of the batch.
        spare: the spare row.

    Attributes:
        rows, numbers: (size,) int64.
    """

    def __init__(self, size: int, spare: int, launcher: Launcher) -> None:
        self.size = size
        self._launcher = launcher
        self._empty = np.array([[spare], [0]], np.int64).repeat(size, axis=1)
        self._held = self._empty
        self._inputs = torch.from_numpy(self._empty.copy()).to(launcher.device)  # (2, size)
        self.rows: Tensor = self._inputs[0]
        self.numbers: Tensor = self._inputs[1]

    def fill(self, slots: Sequence[int], numbers: Sequence[int] | int, *, own_rows: bool = False) -> None:
        """Name the slots and their numbers, unless they are what the device has already.

        Args:
            own_rows: every slot stands at its own place, as in the full table; else they stand in a row.
        """
        wanted = self._empty.copy()
        wanted[:, list(slots) if own_rows else slice(len(slots))] = np.broadcast_arrays(slots, numbers)
        if not np.array_equal(wanted, self._held):
            self._inputs.copy_(self._launcher.staged(wanted), non_blocking=True)
            self._held = wanted
