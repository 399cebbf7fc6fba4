"""One place of each slot at a time, for all layers, wherever each slot is."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from models.hierarchical.incremental.attention import attend
from models.hierarchical.incremental.matrices import Attention, matrices
from models.hierarchical.incremental.memory import Memory
from models.hierarchical.incremental.places import Place
from models.hierarchical.incremental.rows import open_rows
from models.hierarchical.incremental.symbols import EmbeddedSymbols
from models.hierarchical.pixelcnn import GatedPixelCNN

Choose = Callable[[Tensor, int], Tensor]
"""Symbols (B,) int64 of a channel, from their logits (B, V)."""


class IncrementalPixelCNN:
    """Steps a `GatedPixelCNN`: the same logits as its full pass has, for the work of one place.

    A step computes the horizontal stack at one place; the step of a row's first place computes the vertical stack for
    that row as well, once and for all. Rows of a batch are slots, each with a place of its own.

    Args:
        network: in evaluation mode; its weights must not change any more.
        height, width: of the grid.
        slots: how many are remembered.
        spatial: whether features differ from place to place.
    """

    @torch.inference_mode()
    def __init__(self, network: GatedPixelCNN, height: int, width: int, slots: int, *, spatial: bool) -> None:
        self.channels = network.grid.channels
        self.width = width
        self._weights = weights = matrices(network)
        self._memory = Memory(network, height, width, slots, spatial=spatial)
        self._symbols = EmbeddedSymbols(network, weights.tables, height, width)
        self._device = network.head.weight.device
        self._reached = torch.arange(self._memory.reach, device=self._device)
        attended = sorted(network.config.attends_after)
        self._keys = dict(zip(attended, self._memory.keys, strict=True))

    @torch.inference_mode()
    def begin(self, slot: int, features: Tensor) -> None:
        """Forget what the slot held; its next step is for place 0.

        Args:
            features: (condition, height, width) or, not spatial, (condition, 1, 1).
        """
        self._memory.begin(slot, features)

    def begin_with_noise(self, slot: int, seed: int) -> None:
        """The same with features that mean nothing, for trials."""
        like = self._memory.features
        noise = torch.randn(like.shape[1:], dtype=like.dtype, generator=torch.Generator().manual_seed(seed))
        self.begin(slot, noise.movedim(-1, 0).to(like.device))

    @torch.inference_mode()
    def step(self, slots: Sequence[int], places: Sequence[int], choose: Choose) -> Tensor:
        """Symbols of one more place of each slot.

        Args:
            slots: B of them; one that is named again does its work again.
            places: of each, the one after the last that it was stepped to.
            choose: is asked once for each channel, in order.

        Returns:
            (B, channels) int64.
        """
        pairs = list(zip(slots, places, strict=True))
        index = torch.tensor((slots, places), device=self._device)
        at, columns = index[0], index[1] % self.width
        if opening := {slot: place // self.width for slot, place in pairs if place % self.width == 0}:
            self._open_rows(opening)

        def attention(layer: int, weights: Attention, x: Tensor) -> Tensor:
            return attend(weights, self._keys[layer], x, slots, places, (at, index[1]))

        place = Place(self._weights, self._before(at, columns), attention)
        known = self._symbols.none_yet(index[1])
        symbols = []
        for channel in range(self.channels):
            symbols.append(choose(place.logits(channel, known), channel))
            known = embedded = self._symbols.with_one_more(known, channel, symbols[-1], index[1])
        self._remember(at, columns, embedded, place)
        return torch.stack(symbols, dim=1)

    @property
    def reads_rows(self) -> bool:
        """Whether nothing but its symbols is to be remembered of a row that is given: without attention."""
        return not self._keys

    @torch.inference_mode()
    def read_row(self, slot: int, row: int, symbols: Tensor) -> None:
        """Take a whole row that is given as if it had been stepped through; for a network that `reads_rows`.

        Args:
            row: the one after the last that the slot has.
            symbols: (width, channels) int64.
        """
        self._open_rows({slot: row})
        places = row * self.width + torch.arange(self.width, device=self._device)
        known = self._symbols.none_yet(places)
        for channel, each in enumerate(symbols.unbind(1)):
            known = embedded = self._symbols.with_one_more(known, channel, each, places)
        reach = self._memory.reach
        self._memory.embedded[slot, reach : reach + self.width] = embedded

    def _open_rows(self, opening: dict[int, int]) -> None:
        """Of slots and their rows: on the CPU one after the other, so that nothing depends on how many there are."""
        index = torch.tensor((list(opening), list(opening.values())), device=self._device)
        for slots, rows in torch.split(index, 1 if self._device.type == "cpu" else len(opening), dim=1):
            open_rows(self._weights, self._memory, slots, rows)

    def _before(self, slots: Tensor, columns: Tensor) -> list[list[Tensor]]:
        """By channel and layer, (B, 2 units of the channel): what rows above and places to the left give the gates."""
        memory, weights = self._memory, self._weights
        above = memory.beside[:, slots, columns]  # (layers, B, 2 hidden)
        row, near = slots[:, None], columns[:, None] + self._reached  # rows begin with `reach` places of zeros
        first = torch.addmm(above[0], memory.embedded[row, near].flatten(1), weights.left)
        if len(above) == 1:
            return [[part] for part in torch.split(first, weights.sizes, dim=1)]
        others = torch.baddbmm(above[1:], memory.horizontal[:, row, near].flatten(2), weights.lefts)
        parts = zip(torch.split(first, weights.sizes, 1), torch.split(others, weights.sizes, 2), strict=True)
        return [[part, *rest.unbind()] for part, rest in parts]

    def _remember(self, slots: Tensor, columns: Tensor, embedded: Tensor, place: Place) -> None:
        memory = self._memory
        columns = columns + memory.reach
        memory.embedded[slots, columns] = embedded
        if len(place.found) > 1:
            memory.horizontal[:, slots, columns] = torch.stack(place.found[:-1])
