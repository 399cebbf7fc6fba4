"""What an ordered model leaves to the device that computes for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from models.runtime.protocol import SampleRequest


class Draw(NamedTuple):
    """How a sample's codes are drawn; valid, and with nothing left to interpret.

    Attributes:
        temperature: positive.
        top_k: 1 .. codebook.
        top_p: in (0, 1].
        uniforms: (K,) in [0, 1), the number that decides each code.
    """

    temperature: float
    top_k: int
    top_p: float
    uniforms: NDArray[np.float64]

    @classmethod
    def of(cls, request: SampleRequest, codebook: int, uniforms: NDArray[np.float64]) -> Draw:
        """How a request that is in range wants codes drawn of so many, by these numbers."""
        greedy = request.temperature == 0
        return cls(
            temperature=1.0 if greedy else request.temperature,
            top_k=1 if greedy else min(request.top_k or codebook, codebook),
            top_p=request.top_p,
            uniforms=uniforms,
        )


class Executor(Protocol):
    """Steps and decodes rows of slots; trusts what it is asked, which `OrderedModel` has checked.

    Every row's result is bit for bit the same whichever rows go with it.

    Attributes:
        name: by which it is chosen, and reported.
        buckets: batch sizes with a cost of their own, ascending; the last is the number of slots.
        weight_bytes: what a step must read of the prior.
    """

    name: str
    buckets: tuple[int, ...]

    @property
    def weight_bytes(self) -> int:
        """See the class."""

    def begin(self, slot: int, tokens: Sequence[int], draw: Draw) -> None:
        """Fill a slot: a start token, then the codes that are given, which the first step reads."""

    def step(self, slots: Sequence[int]) -> None:
        """Draw the next code of each slot; it may return before that is done, and what comes next comes after it."""

    def wait(self) -> None:
        """Return once every step has been done."""

    def decode(self, slots: Sequence[int]) -> NDArray[np.float32]:
        """(B, *media shape): each slot's codes so far, decoded."""

    def codes(self, slots: Sequence[int]) -> list[list[int]]:
        """(B, K): each slot's codes; those past its position mean nothing."""

    def positions(self) -> list[int]:
        """(slots,): how many codes each slot holds; of a slot that is free it means nothing."""
