"""A whole sample as one sequence of codes, each of them all symbols of one place.

The topmost grid comes first, the pixels last. The symbols of a place are digits of its code, the first channel's first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from models.hierarchical.config import Grid, HierarchyConfig


class Reached(NamedTuple):
    """Where a number of codes ends: in which grid, pixels being 0, and after how many of its places."""

    grid: int
    places: int


def reached(config: HierarchyConfig, codes: int) -> Reached:
    """Where so many codes end; a grid that is complete is the beginning of the next, unless there is none."""
    for index in reversed(range(1, len(config.grids))):
        if codes < config.grids[index].places:
            return Reached(index, codes)
        codes -= config.grids[index].places
    return Reached(0, codes)


def packed(symbols: Tensor, grid: Grid) -> list[int]:
    """Symbols of places (n, C) int64 as codes."""
    weights = torch.tensor(_weights(grid), device=symbols.device)
    codes: list[int] = (symbols * weights).sum(1).tolist()
    return codes


def unpacked(codes: Sequence[int], grid: Grid) -> Tensor:
    """The inverse, (n, C) int64."""
    return torch.tensor(codes, dtype=torch.int64)[:, None] // torch.tensor(_weights(grid)) % grid.values


def parts(codes: Sequence[int], config: HierarchyConfig) -> dict[int, Sequence[int]]:
    """By grid, those of its places; of grids that none of them reach, nothing."""
    found: dict[int, Sequence[int]] = {}
    for index in reversed(range(len(config.grids))):
        places = config.grids[index].places
        if codes:
            found[index], codes = codes[:places], codes[places:]
    return found


def fit(codes: Sequence[int], config: HierarchyConfig) -> bool:
    """Whether they could be the first of a sample."""
    if len(codes) > config.total_codes:
        return False
    limits = {index: 1 << grid.bits * grid.channels for index, grid in enumerate(config.grids)}
    return all(0 <= code < limits[index] for index, part in parts(codes, config).items() for code in part)


def _weights(grid: Grid) -> list[int]:
    return [1 << grid.bits * (grid.channels - 1 - channel) for channel in range(grid.channels)]
