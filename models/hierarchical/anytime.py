"""A hierarchy as an `AnytimeModel`: whatever has been drawn when time runs out, the rest of the picture is guessed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from models.hierarchical import packing
from models.hierarchical.filling import down_to_pixels, fill_top, likeliest_codes
from models.hierarchical.hierarchy import Hierarchy
from models.hierarchical.residual import intensities
from models.hierarchical.sampling import hows, sampler_of
from models.runtime.buckets import power_of_two_buckets
from models.runtime.protocol import Decoded, SampleRequest, check_request
from models.runtime.slots import SlotTable


class HierarchicalModel:
    """Fixed slots, each somewhere in its sequence of codes: first the topmost grid, then grid after grid to the pixels.

    A code is all symbols of one place. After any number of them there is a picture:

    - topmost codes that are not there yet are what the prior would most likely draw for the label from the beginning;
    - of a grid below that is partly drawn, the auxiliary decoder's guess has been replaced as far as drawing has come;
    - the grids below that are guessed by their auxiliary decoders.

    Codes that are given are read by the first step after them, those of the grid that they end in: a row at a time, or
    with attention a place.

    Args:
        hierarchy: in evaluation mode; its weights must not change any more.
        slots: how many.
        native: whether symbols are drawn by the native library where it can be had.

    Attributes:
        executor: the name of what draws them.
    """

    @torch.inference_mode()
    def __init__(self, hierarchy: Hierarchy, slots: int, *, native: bool = True) -> None:
        config = hierarchy.config
        self.total_codes = config.total_codes
        self.slots = slots
        self.buckets = power_of_two_buckets(slots)
        begins = config.first_codes[::-1]
        # The first code of a grid below the topmost takes longer than others: with it its condition is computed.
        self.stages = tuple(sorted({*begins, *(first + 1 for first in begins if 0 < first < self.total_codes - 1)}))
        self._hierarchy, self._config = hierarchy, config
        self._table = SlotTable(slots, self.total_codes)
        networks = [*(level.local for level in hierarchy.levels), hierarchy.prior.network]
        top = len(networks) - 1
        self._samplers = [
            sampler_of(network, grid, slots, spatial=index < top, native=native)
            for index, (network, grid) in enumerate(zip(networks, config.grids, strict=True))
        ]
        self.executor = self._samplers[0].name
        self._requests: dict[int, SampleRequest] = {}
        # By slot that has drawn: in which grid, and how many more places of that; none, and the next is to be begun.
        self._drawing: dict[int, int] = {}
        self._ahead: dict[int, int] = {}
        self._guessed: dict[int, tuple[int, Tensor]] = {}  # by slot, of which grid, and the guess (C, H, W)
        self._device = hierarchy.prior.labels.weight.device
        self._likeliest = likeliest_codes(hierarchy, self._samplers[-1])

    @torch.inference_mode()
    def begin(self, slot: int, request: SampleRequest) -> None:
        """See `AnytimeModel.begin`."""
        codes_fit = packing.fit(request.codes, self._config)
        check_request(request, self._hierarchy.prior.null_label, codes_fit=codes_fit)
        self._table.occupy(slot, len(request.codes))
        self._requests[slot] = request
        for index in packing.parts(request.codes, self._config):
            self._begin_grid(slot, index)

    @torch.inference_mode()
    def step(self, slots: Sequence[int], codes: int = 1) -> None:
        """See `AnytimeModel.step`."""
        self._table.check_can_step(slots, codes)
        while codes:
            drawing: dict[int, list[int]] = {}
            for slot in slots:
                if not self._ahead.get(slot):
                    self._prepare(slot)
                drawing.setdefault(self._drawing[slot], []).append(slot)
            places = min(codes, *(self._ahead[slot] for slot in slots))
            for index, members in drawing.items():
                self._samplers[index].step(members, places)
            self._table.advance(slots, places)
            for slot in slots:
                self._ahead[slot] -= places
            codes -= places
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)  # else a worker would learn nothing of what a step takes

    @torch.inference_mode()
    def decode(self, slots: Sequence[int]) -> Decoded:
        """See `AnytimeModel.decode`."""
        together: dict[int, list[int]] = {}
        for slot in slots:
            together.setdefault(self._reached(slot).grid, []).append(slot)
        media: dict[int, Tensor] = {}
        for index, members in together.items():
            symbols = down_to_pixels(self._hierarchy, index, self._filled(index, members))
            shown = intensities(symbols, self._config.pixels).cpu()
            media.update(zip(members, shown, strict=True))
        found = torch.stack([media[slot] for slot in slots]).numpy()
        return Decoded(found.astype(np.float32, copy=False), self.codes(slots))

    def codes(self, slots: Sequence[int]) -> list[list[int]]:
        """The codes that each slot holds so far."""
        return [self._codes(slot) for slot in slots]

    def position(self, slot: int) -> int:
        """See `AnytimeModel.position`."""
        return self._table.position(slot)

    def release(self, slot: int) -> None:
        """See `AnytimeModel.release`."""
        self._table.release(slot)
        del self._requests[slot]
        self._ahead.pop(slot, None)
        self._guessed.pop(slot, None)
        for sampler in self._samplers:
            if sampler.holds(slot):
                sampler.release(slot)

    def check_integrity(self) -> None:
        """See `AnytimeModel.check_integrity`."""
        wrong = [slot for slot in range(self.slots) if not self._agrees(slot)]
        if wrong:
            raise AssertionError(f"grids and the slot table disagree about slots {wrong}")

    def _agrees(self, slot: int) -> bool:
        """Whether no grid of a slot has drawn more than it should, and none of a free slot has anything."""
        if not self._table.is_taken(slot):
            begun = any(sampler.holds(slot) for sampler in self._samplers)
            return not begun and not any(slot in held for held in (self._requests, self._ahead, self._guessed))
        index, places = self._reached(slot)
        drawn = [sampler.position(slot) if sampler.holds(slot) else 0 for sampler in self._samplers]
        return slot in self._requests and not any(drawn[:index]) and drawn[index] <= places

    def _reached(self, slot: int) -> packing.Reached:
        return packing.reached(self._config, self._table.position(slot))

    def _prepare(self, slot: int) -> None:
        """Have the grid that a slot's next code belongs to begun, and what is given of it read."""
        index, places = self._reached(slot)
        sampler = self._samplers[index]
        if not sampler.holds(slot):
            self._begin_grid(slot, index)
        sampler.read(slot, places)
        self._drawing[slot], self._ahead[slot] = index, sampler.grid.places - places

    def _begin_grid(self, slot: int, index: int) -> None:
        """By itself, so that nothing depends on the slots beside it; the grids above are complete."""
        request, grids = self._requests[slot], self._config.grids
        (how,) = hows([request], grids, self._config.first_symbols, index)
        given = packing.parts(request.codes, self._config).get(index)
        symbols = None if given is None else packing.unpacked(given, grids[index]).to(self._device)
        self._samplers[index].begin(slot, self._condition(slot, index)[0], how, symbols)

    def _condition(self, slot: int, index: int) -> Tensor:
        """What a grid is drawn by: the label, or the codes of the grid above."""
        if index == len(self._hierarchy.levels):
            return self._hierarchy.prior.condition(self._labels([slot]))
        return self._hierarchy.levels[index].condition(self._samplers[index + 1].symbols([slot]))

    def _labels(self, slots: Sequence[int]) -> Tensor:
        null = self._hierarchy.prior.null_label
        labels = [self._requests[slot].label for slot in slots]
        return torch.tensor([null if label is None else label for label in labels], device=self._device)

    def _codes(self, slot: int) -> list[int]:
        """Of one slot."""
        left, found = self._table.position(slot), list[int]()
        for index in reversed(range(len(self._samplers))):
            grid = self._config.grids[index]
            if places := min(left, grid.places):
                symbols = self._samplers[index].symbols([slot])[0].flatten(1)[:, :places]
                found += packing.packed(symbols.t(), grid)
                left -= places
        return found

    def _guesses(self, index: int, slots: Sequence[int]) -> Tensor:
        """What the auxiliary decoder makes of the grids above, which are complete: once for each slot."""
        if unknown := [slot for slot in slots if self._guessed.get(slot, (-1,))[0] != index]:
            found = self._hierarchy.levels[index].guess(self._samplers[index + 1].symbols(unknown))
            self._guessed |= {slot: (index, guess) for slot, guess in zip(unknown, found, strict=True)}
        return torch.stack([self._guessed[slot][1] for slot in slots])

    def _filled(self, index: int, slots: Sequence[int]) -> Tensor:
        """A grid (B, C, H, W) int64 of slots that have reached it, guessed where it is not drawn."""
        grid = self._config.grids[index]
        places = torch.tensor([self._reached(slot).places for slot in slots], device=self._device)
        drawn = torch.arange(grid.places, device=self._device) < places[:, None]
        drawn = drawn.view(-1, 1, grid.height, grid.width)
        known = self._samplers[index].symbols(slots)
        if drawn.all():
            return known
        if index < len(self._hierarchy.levels):
            return torch.where(drawn, known, self._guesses(index, slots))
        return fill_top(known, drawn, self._likeliest[self._labels(slots)])
