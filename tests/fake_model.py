"""A model without arithmetic: codes are a function of seed, sample and position; operations take what a test says."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from models.runtime.protocol import Decoded, SampleRequest


class FakeModel:
    """An `AnytimeModel`.

    Attributes:
        taken: (request, codes) by slot.
        stages: where what operations cost changes; set by tests.
        step_s, decode_s: what `spend` is told that an operation takes.
        most: how many samples "step" and "decode" have memory for.
        spared: how many calls of each are done before memory becomes short.
        poison: seeds that make `where` ("begin", "step" or "decode") raise.
    """

    def __init__(self, total_codes: int = 8, slots: int = 4, spend: Callable[[float], None] | None = None) -> None:
        self.total_codes = total_codes
        self.slots = slots
        self.stages: tuple[int, ...] = (0,)
        self.buckets: tuple[int, ...] = tuple(sorted({1, 2, slots}))
        self.taken: dict[int, tuple[SampleRequest, list[int]]] = {}
        self.step_s = 0.001
        self.decode_s = 0.001
        self.poison: dict[str, set[int]] = {"begin": set(), "step": set(), "decode": set()}
        self.most: dict[str, int] = {"step": slots, "decode": slots}
        self.spared: dict[str, int] = {}
        self.calls: list[tuple[str, int]] = []
        self._spend = spend or (lambda _seconds: None)

    def begin(self, slot: int, request: SampleRequest) -> None:
        if slot in self.taken or not 0 <= slot < self.slots:
            raise ValueError(f"slot {slot} is not free")
        self._raise_if_poisoned("begin", [request])
        self.taken[slot] = (request, list(request.codes))

    def step(self, slots: Sequence[int], codes: int = 1) -> None:
        for _ in range(codes):
            self._step(slots)

    def _step(self, slots: Sequence[int]) -> None:
        assert slots
        assert len(set(slots)) == len(slots)
        self._raise_if_poisoned("step", [self.taken[slot][0] for slot in slots])
        assert all(self.position(slot) < self.total_codes for slot in slots)
        self._find_room("step", slots)
        self.calls.append(("step", len(slots)))
        self._spend(self.step_s)
        for slot in slots:
            request, codes = self.taken[slot]
            codes.append(code_of(request.seed, request.sample, len(codes)))

    def decode(self, slots: Sequence[int]) -> Decoded:
        self._raise_if_poisoned("decode", [self.taken[slot][0] for slot in slots])
        self._find_room("decode", slots)
        self.calls.append(("decode", len(slots)))
        self._spend(self.decode_s)
        return Decoded(np.zeros((len(slots), 1, 2, 2), np.float32), [list(self.taken[slot][1]) for slot in slots])

    def position(self, slot: int) -> int:
        if slot not in self.taken:
            raise ValueError(f"slot {slot} is free")
        return len(self.taken[slot][1])

    def release(self, slot: int) -> None:
        if slot not in self.taken:
            raise ValueError(f"slot {slot} is free")
        del self.taken[slot]

    def check_integrity(self) -> None:
        assert all(len(codes) <= self.total_codes for _, codes in self.taken.values())

    def _find_room(self, where: str, slots: Sequence[int]) -> None:
        self.spared[where] = self.spared.get(where, 0) - 1
        if len(slots) > self.most[where] and self.spared[where] < 0:
            raise torch.OutOfMemoryError(f"no room for {len(slots)}")

    def _raise_if_poisoned(self, where: str, requests: Sequence[SampleRequest]) -> None:
        for request in requests:
            if request.seed in self.poison[where]:
                raise RuntimeError(f"seed {request.seed} breaks {where}")


def code_of(seed: int, sample: int, position: int) -> int:
    """The code that the fake model draws."""
    return (seed * 31 + sample * 7 + position) % 100
