"""An ordered model whose picture is drawn over, pixel by pixel, once its codes are complete, as an `AnytimeModel`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from models.hierarchical import packing
from models.hierarchical.residual import intensities
from models.hierarchical.sampling import hows, sampler_of
from models.refined.refiner import Refiner
from models.runtime.buckets import power_of_two_buckets
from models.runtime.ordered import OrderedModel
from models.runtime.protocol import Decoded, SampleRequest
from models.runtime.slots import SlotTable

Picture = NDArray[np.float32]


class RefinedModel:
    """Fixed slots, each among its codes or, after them, among its pixels, all channels of which are one more code.

    After any number of codes there is a picture: the ordered model's, and from the first pixel on that of all its
    codes, of which as many pixels have been replaced as are drawn.

    Args:
        base: used by nobody else.
        refiner: in evaluation mode; its weights must not change any more.
        native: whether pixels are drawn by the native library where it can be had.
    """

    @torch.inference_mode()
    def __init__(self, base: OrderedModel, refiner: Refiner, *, native: bool = True) -> None:
        grid = refiner.grid
        self.slots = base.slots
        self.total_codes = base.total_codes + grid.places
        # With the first pixel all that is drawn depends on is computed.
        self.stages: tuple[int, ...] = tuple(
            sorted({0, base.total_codes, min(base.total_codes + 1, self.total_codes - 1)})
        )
        self.buckets = tuple(sorted({*base.buckets, *power_of_two_buckets(base.slots)}))
        self._base, self._refiner, self._grid = base, refiner, grid
        self._first = base.total_codes  # of the positions among the pixels
        self._table = SlotTable(base.slots, self.total_codes)
        self._sampler = sampler_of(refiner.local, grid, base.slots, spatial=True, native=native)
        self.executor = f"{base.executor.name}, {self._sampler.name}"
        self._requests: dict[int, SampleRequest] = {}
        self._pictures: dict[int, Picture] = {}  # what slots that are among their pixels have of their codes
        self._drawing: set[int] = set()  # slots all of whose given pixels have been read
        self._device = refiner.input.weight.device

    @torch.inference_mode()
    def begin(self, slot: int, request: SampleRequest) -> None:
        """See `AnytimeModel.begin`."""
        pixels = request.codes[self._first :]
        values = 1 << self._grid.bits * self._grid.channels
        if len(pixels) > self._grid.places or not all(0 <= code < values for code in pixels):
            raise ValueError(f"codes is out of range: {request.codes!r}")
        self._base.begin(slot, replace(request, codes=request.codes[: self._first]))
        self._table.occupy(slot, len(request.codes))
        self._requests[slot] = request
        if pixels:
            self._begin_pixels(slot)

    @torch.inference_mode()
    def step(self, slots: Sequence[int], codes: int = 1) -> None:
        """See `AnytimeModel.step`."""
        self._table.check_can_step(slots, codes)
        while codes:
            ahead = {slot: self._first - self._table.position(slot) for slot in slots}
            among_codes = [slot for slot in slots if ahead[slot] > 0]
            among_pixels = [slot for slot in slots if ahead[slot] <= 0]
            more = min([codes, *(ahead[slot] for slot in among_codes)])
            if among_codes:
                self._base.step(among_codes, more)
            if among_pixels:
                for slot in among_pixels:
                    if slot not in self._drawing:
                        self._prepare(slot)
                self._sampler.step(among_pixels, more)
            self._table.advance(slots, more)
            codes -= more
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)  # else a worker would learn nothing of what a step takes

    @torch.inference_mode()
    def decode(self, slots: Sequence[int]) -> Decoded:
        """See `AnytimeModel.decode`."""
        pictures = {slot: self._drawn_over(slot) for slot in slots if slot in self._pictures}
        if others := [slot for slot in slots if slot not in pictures]:
            pictures.update(zip(others, self._base.decode(others).media, strict=True))
        return Decoded(np.stack([pictures[slot] for slot in slots]), self.codes(slots))

    def codes(self, slots: Sequence[int]) -> list[list[int]]:
        """The codes that each slot holds so far."""
        return [[*codes, *self._pixels(slot)] for slot, codes in zip(slots, self._base.codes(slots), strict=True)]

    def position(self, slot: int) -> int:
        """See `AnytimeModel.position`."""
        return self._table.position(slot)

    def release(self, slot: int) -> None:
        """See `AnytimeModel.release`."""
        self._table.release(slot)
        self._base.release(slot)
        del self._requests[slot]
        self._drawing.discard(slot)
        if self._pictures.pop(slot, None) is not None:
            self._sampler.release(slot)

    def check_integrity(self) -> None:
        """See `AnytimeModel.check_integrity`."""
        self._base.check_integrity()
        wrong = [slot for slot in range(self.slots) if not self._agrees(slot)]
        if wrong:
            raise AssertionError(f"codes, pixels and the slot table disagree about slots {wrong}")

    def _agrees(self, slot: int) -> bool:
        held = self._sampler.holds(slot)
        if held != (slot in self._pictures) or self._table.is_taken(slot) != (slot in self._requests):
            return False
        if not self._table.is_taken(slot):
            return not held and slot not in self._drawing
        position = self._table.position(slot)
        drawn = self._sampler.position(slot) if held else 0
        return self._base.position(slot) == min(position, self._first) and drawn <= max(0, position - self._first)

    def _prepare(self, slot: int) -> None:
        """Have a slot's next pixel be the one that it draws."""
        if slot not in self._pictures:
            self._begin_pixels(slot)
        self._sampler.read(slot, self._table.position(slot) - self._first)
        self._drawing.add(slot)

    def _begin_pixels(self, slot: int) -> None:
        """By itself, so that nothing depends on the slots beside it; its codes are complete."""
        request, first = self._requests[slot], (self._first,)
        warmed = replace(request, temperature=request.temperature * self._refiner.config.relative_temperature)
        (how,) = hows([warmed], (self._grid,), first, 0)
        picture = self._base.decode([slot]).media[0]
        features = self._refiner.condition(torch.from_numpy(picture[None]).to(self._device))[0]
        given = request.codes[self._first :]
        symbols = packing.unpacked(given, self._grid).to(self._device) if given else None
        self._sampler.begin(slot, features, how, symbols)
        self._pictures[slot] = picture

    def _pixels(self, slot: int) -> list[int]:
        """Those that a slot holds so far, as codes."""
        places = self._table.position(slot) - self._first
        if places <= 0:
            return []
        return packing.packed(self._sampler.symbols([slot])[0].flatten(1)[:, :places].t(), self._grid)

    def _drawn_over(self, slot: int) -> Picture:
        """The picture of a slot's codes with what pixels it has."""
        places = self._table.position(slot) - self._first
        drawn = intensities(self._sampler.symbols([slot])[0], self._grid).cpu().numpy()
        picture = self._pictures[slot].copy()
        picture.reshape(len(picture), -1)[:, :places] = drawn.reshape(len(drawn), -1)[:, :places]
        return picture
