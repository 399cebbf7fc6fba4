"""The symbols of one place as the first layer sees them, channel after channel."""

from __future__ import annotations

import torch
from torch import Tensor

from models.hierarchical.causal import timing_signal
from models.hierarchical.pixelcnn import GatedPixelCNN


class EmbeddedSymbols:
    """`GatedPixelCNN.embed`, of places by themselves.

    Args:
        network: whose.
        tables: by channel, (V, units).
        height, width: of the grid.
    """

    def __init__(self, network: GatedPixelCNN, tables: list[Tensor], height: int, width: int) -> None:
        hidden, way = network.config.hidden, network.config.timing
        signal = timing_signal(hidden, height, width).flatten(1).t().to(tables[0])  # (places, hidden)
        self._tables = tables
        self._beside = signal.contiguous() if way == "concat" else None
        sizes = [table.shape[1] for table in tables]
        parts = torch.split(signal, sizes, dim=1)
        self._added = [part.contiguous() for part in parts] if way == "add" else None

    def none_yet(self, places: Tensor) -> Tensor | None:
        """What is known at places (B,) int64 before their first symbols: (B, inputs), or None if that is nothing."""
        return None if self._beside is None else self._beside.index_select(0, places)

    def with_one_more(self, known: Tensor | None, channel: int, symbols: Tensor, places: Tensor) -> Tensor:
        """What is known with the symbols (B,) int64 of a channel as well, (B, inputs)."""
        new = self._tables[channel].index_select(0, symbols)
        if self._added is not None:
            new = new + self._added[channel].index_select(0, places)
        return new if known is None else torch.cat((known, new), dim=1)
