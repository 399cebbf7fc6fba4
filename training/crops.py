"""Squares that are cut out of examples at random, for networks that are convolutional."""

from __future__ import annotations

import torch
from torch import Tensor

from models.hierarchical.config import Grid
from training.draws import drawn
from training.seeds import derive_seed


class Crops:
    """Where squares of a grid can begin.

    Args:
        grid: that examples are of.
        edge: of a square; None takes the whole.
        apart: places between two beginnings.

    Attributes:
        window: height and width of what is cut out.
    """

    def __init__(self, grid: Grid, edge: int | None, apart: int = 1) -> None:
        self._whole = (grid.height, grid.width)
        self._apart = apart
        self.window = (edge or grid.height, edge or grid.width)
        self._starts = [(all_ - part) // apart + 1 for all_, part in zip(self._whole, self.window, strict=True)]

    def cut(self, seed: int, *examples: Tensor) -> list[Tensor]:
        """The same square of each of several tensors (B, C, H, W) that belong together: (B, C, *window) each."""
        if self.window == self._whole:
            return list(examples)
        count, device = len(examples[0]), examples[0].device
        corners = drawn(count, lambda whole: self._corners(whole, seed)) * self._apart  # (B, 2)
        rows, columns = (
            (corners[:, axis, None] + torch.arange(self.window[axis])).to(device) for axis in (0, 1)
        )  # (B, edge) each
        which = torch.arange(count, device=device)[:, None, None]
        places = (which, rows[:, :, None], columns[:, None, :])
        return [each.movedim(1, -1)[places].movedim(-1, 1) for each in examples]

    def _corners(self, count: int, seed: int) -> Tensor:
        """In which of the rows and columns where a square can begin each of so many does, (count, 2) int64."""
        draws = torch.Generator().manual_seed(derive_seed(seed, "crop"))
        return torch.stack([torch.randint(starts, (count,), generator=draws) for starts in self._starts], dim=1)
