"""Pictures and codes as grids of symbols, batch by batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from models.hierarchical.config import Grid
from models.hierarchical.residual import intensities, pixels
from models.media.pictures import FULL_SCALE
from training.data.dataset import Split
from training.data.fetching import fetching


class Symbols(Protocol):
    """What a stage learns from."""

    def __len__(self) -> int:
        """How many examples there are."""

    def batch(self, rows: Tensor | slice, device: torch.device) -> Tensor:
        """The symbols of the examples at `rows`, (B, C, H, W) int64, on a device."""


@dataclass(frozen=True, slots=True)
class PictureSymbols:
    """Pictures, their channels rounded to the bits that a grid's symbols have."""

    split: Split
    grid: Grid

    def __len__(self) -> int:
        return len(self.split)

    def batch(self, rows: Tensor | slice, device: torch.device) -> Tensor:
        """See `Symbols`."""
        return pixels(self.split.batch(rows, device), self.grid)


@dataclass(frozen=True, slots=True)
class StoredSymbols:
    """Codes as `packed` has stored them, (N, C, H, W)."""

    codes: Tensor

    def __len__(self) -> int:
        return len(self.codes)

    def batch(self, rows: Tensor | slice, device: torch.device) -> Tensor:
        """See `Symbols`."""
        with fetching():
            codes = self.codes[rows]
        return codes.to(device).long()


def packed(codes: Tensor, grid: Grid) -> Tensor:
    """Codes in the smallest type that holds all of the grid's."""
    if grid.bits <= 8:
        return codes.to(torch.uint8)
    return codes.to(torch.int16 if grid.bits < 16 else torch.int32)


def pictures(symbols: Tensor, grid: Grid) -> Tensor:
    """Pixels (N, C, H, W) int64 as a split stores pictures, uint8."""
    return (intensities(symbols, grid) * FULL_SCALE).round().to("cpu", torch.uint8)
