"""Draw the symbols of a grid in slots, place by place, by PyTorch."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from models.hierarchical.config import Grid
from models.hierarchical.drawing import Draws
from models.hierarchical.incremental import IncrementalPixelCNN
from models.hierarchical.pixelcnn import GatedPixelCNN
from models.runtime.buckets import power_of_two_buckets
from models.runtime.determinism import agreeing_buckets
from models.runtime.executor import Draw
from models.runtime.slots import SlotTable

_TRIED = 512  # logits of a place that batch sizes must agree in


class GridSampler:
    """A fixed number of slots, each with a grid that is being drawn, wherever it has got to.

    A slot goes through `begin`, any number of `step`, `release`. What it draws does not depend, to the bit, on the
    slots that step beside it: a step runs in the smallest batch size that was found to compute what all slots at once
    would, filled up by doing a slot's work again.

    Args:
        network: in evaluation mode; its weights must not change any more.
        grid: to be drawn.
        slots: how many.
        spatial: whether features differ from place to place, as a level's do, and not a label's.

    Attributes:
        buckets: those batch sizes, ascending.
    """

    name = "reference"

    @torch.inference_mode()
    def __init__(self, network: GatedPixelCNN, grid: Grid, slots: int, *, spatial: bool) -> None:
        self.grid = grid
        self._network = network
        device = network.head.weight.device
        # One more than there are, for rows that nobody needs: of copies of a slot, each of which may round in a way of
        # its own, there is no telling which is remembered.
        self._stepper = IncrementalPixelCNN(network, grid.height, grid.width, slots + 1, spatial=spatial)
        self._spare = slots
        self._spare_place = min(1, grid.width - 1)  # at which no row begins, if there is such a place
        self._table = SlotTable(slots, grid.places)
        self._draws = Draws(grid, slots + 1, device)
        self._draws.begin(self._spare, Draw(1.0, grid.values, 1.0, np.zeros(grid.symbols)))
        self._symbols = torch.zeros(slots + 1, grid.channels, grid.places, dtype=torch.int64, device=device)
        self.buckets = agreeing_buckets(slots, power_of_two_buckets(slots), self._trial)

    @property
    def slots(self) -> int:
        """How many."""
        return len(self._table)

    @torch.inference_mode()
    def begin(self, slot: int, features: Tensor, how: Draw, given: Tensor | None = None) -> None:
        """Occupy a free slot.

        Args:
            features: (condition, height or 1, width or 1).
            how: with the uniform numbers of this grid's symbols.
            given: symbols of the first places, (n, C) int64, which the slot's first n steps take instead of drawing.

        Raises:
            ValueError: if the slot is taken.
        """
        self._table.occupy(slot)
        self._stepper.begin(slot, features)
        self._draws.begin(slot, how, None if given is None else given.flatten())
        if given is not None:
            self._symbols[slot, :, : len(given)] = given.t()

    @torch.inference_mode()
    def step(self, slots: Sequence[int], places: int = 1) -> None:
        """Draw all symbols of so many more places in each named slot, at least one, no repeats.

        Raises:
            ValueError: if a slot is free, or has not so many places left; then no slot has changed.
        """
        self._table.check_can_step(slots, places)
        rows = self._rows(slots)
        for _ in range(places):
            self._step(rows)
            self._table.advance(slots)

    def _step(self, rows: list[int]) -> None:
        places = [self._spare_place if slot == self._spare else self._table.position(slot) for slot in rows]
        self._symbols[rows, :, places] = self._stepper.step(rows, places, self._draws.choose(rows, places))

    @torch.inference_mode()
    def read(self, slot: int, places: int) -> None:
        """Bring a slot to a place all symbols before which were given: by whole rows where that is enough."""
        width = self.grid.width
        while (at := self.position(slot)) < places:
            if self._stepper.reads_rows and at % width == 0 and places - at >= width:
                self._stepper.read_row(slot, at // width, self._symbols[slot, :, at : at + width].t())
                self._table.advance([slot], width)
            else:
                self.step([slot])

    def position(self, slot: int) -> int:
        """How many places an occupied slot has drawn. Raises ValueError if it is free."""
        return self._table.position(slot)

    def symbols(self, slots: Sequence[int]) -> Tensor:
        """(B, C, H, W) int64; what lies past a slot's position, and was not given, means nothing."""
        return self._symbols[list(slots)].view(-1, self.grid.channels, self.grid.height, self.grid.width)

    def release(self, slot: int) -> None:
        """Free an occupied slot. Raises ValueError if it is free."""
        self._table.release(slot)

    def holds(self, slot: int) -> bool:
        """Whether a slot is occupied."""
        return self._table.is_taken(slot)

    def logits(self, symbols: Tensor, features: Tensor) -> Tensor:
        """Of every place at once, given all symbols (B, C, H, W) int64: (B, C, H, W, V). No slot changes.

        Args:
            features: (B, condition, height or 1, width or 1).
        """
        # On a CPU one after the other, so that nothing depends on how many there are.
        rows = 1 if symbols.device.type == "cpu" else len(symbols)
        pairs = zip(torch.split(symbols, rows), torch.split(features, rows), strict=True)
        return torch.cat([self._network(known, of_known) for known, of_known in pairs])

    def _rows(self, slots: Sequence[int]) -> list[int]:
        """The slots, and the spare one up to a batch size; in the full table every slot has its own row."""
        bucket = self.buckets[bisect_left(self.buckets, len(slots))]
        if bucket == self.slots:
            chosen = set(slots)
            return [slot if slot in chosen else self._spare for slot in range(bucket)]
        return [*slots, *[self._spare] * (bucket - len(slots))]

    def _trial(self, bucket: int) -> Tensor:
        """Logits of the first places of all slots, in batches of a size: (rounds, places, slots, C, V).

        Of a small grid several rounds: a few numbers may round to the same by chance.
        """
        each = self.slots * self.grid.channels * self.grid.values
        return torch.stack([self._trial_round(bucket, round_) for round_ in range(max(1, _TRIED // each))])

    def _trial_round(self, bucket: int, seed: int) -> Tensor:
        places, channels = min(self.grid.places, 2), self.grid.channels
        generator = torch.Generator().manual_seed(seed)
        symbols = torch.randint(self.grid.values, (places, self.slots + 1, channels), generator=generator)
        found = torch.zeros(places, self.slots + 1, channels, self.grid.values, dtype=torch.float64)
        for slot in range(self.slots):
            self._stepper.begin_with_noise(slot, seed * self.slots + slot)
        for place in range(places):
            for start in range(0, self.slots, bucket):
                mine = list(range(start, min(start + bucket, self.slots)))
                rows = [*mine, *[self._spare] * (bucket - len(mine))]

                def given(logits: Tensor, channel: int, place: int = place, rows: list[int] = rows) -> Tensor:
                    found[place, rows, channel] = logits.double().cpu()
                    return symbols[place, rows, channel].to(logits.device)

                self._stepper.step(rows, [place if slot < self._spare else self._spare_place for slot in rows], given)
        return found[:, : self.slots]
