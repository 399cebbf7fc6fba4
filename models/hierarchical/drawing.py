"""How the symbols of a grid are drawn, by numbers that depend on nothing but the request."""

from __future__ import annotations

import torch
from torch import Tensor

from models.hierarchical.config import Grid
from models.hierarchical.incremental import Choose
from models.runtime.executor import Draw
from models.runtime.sampling import draw

# Columns of the table of how symbols are drawn; from the last one on, the uniform number of each symbol in order.
_TEMPERATURE, _TOP_K, _TOP_P, _UNIFORMS = range(4)


class Draws:
    """For each slot, what decides its symbols.

    Args:
        grid: whose symbols.
        slots: how many.
    """

    def __init__(self, grid: Grid, slots: int, device: torch.device) -> None:
        self._grid = grid
        self._table = torch.zeros(slots, _UNIFORMS + grid.symbols, dtype=torch.float64, device=device)
        self._restricted: set[int] = set()  # slots whose draw looks at top_k and top_p

    def begin(self, slot: int, how: Draw) -> None:
        """Decide a slot's symbols by `how`, whose uniform numbers are those of the grid alone."""
        restricted = how.top_k < self._grid.values or how.top_p < 1
        (self._restricted.add if restricted else self._restricted.discard)(slot)
        self._table[slot, :_UNIFORMS] = torch.tensor((how.temperature, how.top_k, how.top_p), dtype=torch.float64)
        self._table[slot, _UNIFORMS:] = torch.from_numpy(how.uniforms)

    def choose(self, slots: list[int], places: list[int]) -> Choose:
        """What draws the symbols of these places, one of each slot."""
        rows = torch.tensor(slots, device=self._table.device)
        first = torch.tensor(places, device=self._table.device) * self._grid.channels + _UNIFORMS
        settings = self._table[rows, :_UNIFORMS]
        restricted = not self._restricted.isdisjoint(slots)

        def drawn(logits: Tensor, channel: int) -> Tensor:
            uniforms = self._table[rows, first + channel]
            return draw(logits, uniforms, *settings.unbind(1), restricted=restricted)

        return drawn
