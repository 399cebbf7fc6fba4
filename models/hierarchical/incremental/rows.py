"""The vertical stack, which knows only of the rows above: all of a row at once, when its first place comes up.

Nothing is computed twice, and each matrix is read once for a whole row rather than once for every place of it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from models.hierarchical.incremental.matrices import Matrices
from models.hierarchical.incremental.memory import Memory


def open_rows(weights: Matrices, memory: Memory, slots: Tensor, rows: Tensor) -> None:
    """Write what the rows' places are given from above into `memory.beside`.

    Args:
        slots: (B,) int64, which have drawn all rows before.
        rows: (B,) int64.
    """
    reach, width = memory.reach, memory.width
    newest = rows % memory.rows
    # The rows of the filter from the top, each at its place in memory.
    order = (rows[:, None] - torch.arange(reach, -1, -1, device=rows.device)) % memory.rows
    own = rows if memory.features.shape[1] > 1 else torch.zeros_like(rows)
    features = memory.features[slots, own]  # (B, width or 1, condition)
    biases = features @ weights.condition.weight + weights.condition.bias
    found = memory.embedded[slots, reach:]  # of the row before, (B, width, inputs)
    for index, (layer, bias) in enumerate(zip(weights.layers, biases.chunk(len(weights.layers), -1), strict=True)):
        above = memory.above[index]
        above[slots, newest, reach : reach + width] = found
        down, right = bias.chunk(2, dim=-1)  # each (B, width or 1, 2 hidden)
        gates = down + _windows(above[slots[:, None], order], width) @ layer.vertical
        memory.beside[index, slots] = right + gates @ layer.across
        content, opening = gates.tanh_().chunk(2, dim=-1)
        found = torch.addcmul(content, content, opening)


def _windows(rows: Tensor, width: int) -> Tensor:
    """Rows (B, rows, width + columns - 1, F) -> what a filter sees at each place, (B, width, rows * columns * F)."""
    starts = range(rows.shape[2] - width + 1)
    return torch.cat([row[:, start : start + width] for row in rows.unbind(1) for start in starts], dim=-1)
