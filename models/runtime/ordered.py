"""The ordered VQ-VAE and its prior as an `AnytimeModel`."""

from __future__ import annotations

from collections.abc import Sequence

from models.runtime.executor import Draw, Executor
from models.runtime.protocol import Decoded, SampleRequest, check_request
from models.runtime.randomness import code_uniforms
from models.runtime.slots import SlotTable
from models.vocabulary import Vocabulary


class OrderedModel:
    """Fixed slots: says what is legal and where each slot stands; an executor computes.

    The host knows each slot's position, so that choosing rows never waits for the device.

    Args:
        vocabulary: of the prior.
        executor: used by nobody else.
    """

    def __init__(self, vocabulary: Vocabulary, executor: Executor) -> None:
        self.total_codes = vocabulary.codes
        self.executor = executor
        self.buckets = executor.buckets
        self.stages: tuple[int, ...] = (0,)
        self.slots = executor.buckets[-1]
        self._vocabulary = vocabulary
        self._table = SlotTable(self.slots, vocabulary.codes)

    def begin(self, slot: int, request: SampleRequest) -> None:
        """See `AnytimeModel.begin`."""
        self._check(request)
        self._table.occupy(slot, len(request.codes))
        tokens = (self._vocabulary.start_token(request.label), *request.codes)
        self.executor.begin(slot, tokens, self._draw(request))

    def step(self, slots: Sequence[int], codes: int = 1) -> None:
        """See `AnytimeModel.step`."""
        self._table.check_can_step(slots, codes)
        for _ in range(codes):
            self.executor.step(slots)
            self._table.advance(slots)
        self.executor.wait()  # else a worker would run ahead of its device, and learn nothing of what a step takes

    def decode(self, slots: Sequence[int]) -> Decoded:
        """See `AnytimeModel.decode`."""
        held = self.codes(slots)
        return Decoded(self.executor.decode(slots), held)

    def codes(self, slots: Sequence[int]) -> list[list[int]]:
        """The codes that each slot holds so far, in order of importance."""
        lengths = [self._table.position(slot) for slot in slots]
        return [row[:length] for row, length in zip(self.executor.codes(slots), lengths, strict=True)]

    def position(self, slot: int) -> int:
        """See `AnytimeModel.position`."""
        return self._table.position(slot)

    def release(self, slot: int) -> None:
        """See `AnytimeModel.release`."""
        self._table.release(slot)

    def check_integrity(self) -> None:
        """See `AnytimeModel.check_integrity`."""
        positions = self.executor.positions()
        wrong = [slot for slot in self._table.taken() if positions[slot] != self._table.position(slot)]
        if wrong:
            raise AssertionError(f"host and device disagree about the positions of slots {wrong}")

    def _draw(self, request: SampleRequest) -> Draw:
        uniforms = code_uniforms(request.seed, request.sample, self.total_codes)
        return Draw.of(request, self._vocabulary.codebook, uniforms)

    def _check(self, request: SampleRequest) -> None:
        codebook = self._vocabulary.codebook
        fit = len(request.codes) <= self.total_codes and all(0 <= code < codebook for code in request.codes)
        check_request(request, self._vocabulary.null_label, codes_fit=fit)
