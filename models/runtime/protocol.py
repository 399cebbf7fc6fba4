"""The one interface between a scheduler and a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class SampleRequest:
    """One sample to draw.

    The randomness of code i is a function of (seed, sample, i) alone, so the codes never depend on when or beside whom
    the sample is drawn.

    Attributes:
        seed: 0 .. 2**63 - 1.
        sample: index among the samples that share the seed, 0 .. 2**32 - 1.
        label: class index, or None for the unconditional model (null label).
        temperature: 0 takes the most likely code each time.
        top_k: keep the k most likely codes; 0 keeps all.
        top_p: keep the smallest set of most likely codes whose probability reaches top_p; 1 keeps all.
        codes: the first codes of the sample, given; what is drawn goes on from them.
    """

    seed: int
    sample: int = 0
    label: int | None = None
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    codes: tuple[int, ...] = ()


def check_request(request: SampleRequest, labels: int, *, codes_fit: bool) -> None:
    """Raise ValueError naming the field that is out of range.

    Args:
        labels: how many the model has.
        codes_fit: whether it could have drawn the codes that are given.
    """
    limits = {
        "seed": 0 <= request.seed < 2**63,
        "sample": 0 <= request.sample < 2**32,
        "label": request.label is None or 0 <= request.label < labels,
        "temperature": request.temperature >= 0,
        "top_k": request.top_k >= 0,
        "top_p": 0 < request.top_p <= 1,
        "codes": codes_fit,
    }
    for field, fits in limits.items():
        if not fits:
            raise ValueError(f"{field} is out of range: {getattr(request, field)!r}")


@dataclass(frozen=True, slots=True)
class Decoded:
    """Complete samples decoded from the codes that their slots held.

    Attributes:
        media: (B, *media shape) float32 in [0, 1] for images, [-1, 1] for audio, on the host.
        codes: the code indices behind each, in order of importance; row b has as many as slot b had taken steps.
    """

    media: NDArray[np.float32]
    codes: list[list[int]]


class AnytimeModel(Protocol):
    """Samples and decodes in a fixed table of slots, each at its own position.

    A slot goes through `begin`, any number of `step` and `decode`, `release`. Nothing outside the named slots is
    changed by any call. Not thread-safe: one loop owns it.

    Attributes:
        total_codes: of a complete sample, K.
        buckets: batch sizes that calls are padded to, ascending.
        stages: positions, ascending from 0, from each of which on calls may cost something else: a step that draws the
            code after so many, a decode of so many.
    """

    total_codes: int
    slots: int
    buckets: tuple[int, ...]
    stages: tuple[int, ...]

    def begin(self, slot: int, request: SampleRequest) -> None:
        """Occupy a free slot, at the position after the codes that are given.

        Raises ValueError if the slot is taken or the request is out of range.
        """

    def step(self, slots: Sequence[int], codes: int = 1) -> None:
        """Draw so many more codes in each named slot (at least one, no repeats), at least one.

        It returns when they are drawn, so that what it took can be learnt; between several codes nothing is waited for.

        The first step after codes were given also reads them: about one more step, with a row for each; with an LSTM as
        prior, which cannot look ahead, one more step for each.

        Raises ValueError if a slot is free or would hold more than `total_codes` codes; then no slot has changed.
        """

    def decode(self, slots: Sequence[int]) -> Decoded:
        """Decode each named slot at its present position (which may be 0) without disturbing it."""

    def position(self, slot: int) -> int:
        """How many codes an occupied slot holds. Raises ValueError if it is free."""

    def release(self, slot: int) -> None:
        """Free an occupied slot. Raises ValueError if it is free."""

    def check_integrity(self) -> None:
        """Raise AssertionError if the slot table and its buffers disagree. Cheap enough to run when idle."""
