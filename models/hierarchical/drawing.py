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
_DRAWN = -1  # instead of a symbol that is given


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
        self._given = torch.full((slots, grid.symbols), _DRAWN, device=device)
        self._continued: set[int] = set()  # slots of which some symbols are given

    def begin(self, slot: int, how: Draw, given: Tensor | None = None) -> None:
        """Decide a slot's symbols by `how`, whose uniform numbers are those of the grid alone.

        Args:
            given: the first symbols, (n,) int64, which are not drawn.
        """
        restricted = how.top_k < self._grid.values or how.top_p < 1
        (self._restricted.add if restricted else self._restricted.discard)(slot)
        self._table[slot, :_UNIFORMS] = torch.tensor((how.temperature, how.top_k, how.top_p), dtype=torch.float64)
        self._table[slot, _UNIFORMS:] = torch.from_numpy(how.uniforms)
        (self._continued.discard if given is None else self._continued.add)(slot)
        if given is not None:
            self._given[slot] = _DRAWN
            self._given[slot, : len(given)] = given

    def choose(self, slots: list[int], places: list[int]) -> Choose:
        """What draws the symbols of these places, one of each slot."""
        rows = torch.tensor(slots, device=self._table.device)
        first = torch.tensor(places, device=self._table.device) * self._grid.channels + _UNIFORMS
        settings = self._table[rows, :_UNIFORMS]
        restricted = not self._restricted.isdisjoint(slots)
        continued = not self._continued.isdisjoint(slots)

        def drawn(logits: Tensor, channel: int) -> Tensor:
            uniforms = self._table[rows, first + channel]
            symbols = draw(logits, uniforms, *settings.unbind(1), restricted=restricted)
            if not continued:
                return symbols
            given = self._given[rows, first - _UNIFORMS + channel]
            mine = torch.tensor([slot in self._continued for slot in slots], device=given.device)
            return torch.where(mine & (given != _DRAWN), given, symbols)

        return drawn
