"""What is sent, and when: fixed by the seed before the first request leaves."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import msgspec

_LARGEST_SEED = 2**53 - 1


@dataclass(frozen=True, slots=True)
class Ask:
    """What all requests of a run have in common.

    Attributes:
        n: samples per request.
        max_codes: no sample gets more; the model's own number of codes for complete samples.
    """

    model: str
    max_codes: int
    n: int = 1
    min_codes: int = 1
    scale: int = 1
    format: str = "png"

    def body(self, deadline_ms: float, seed: int) -> bytes:
        """A request's JSON body."""
        return msgspec.json.encode({**asdict(self), "deadline_ms": deadline_ms, "seed": seed})


@dataclass(frozen=True, slots=True)
class Planned:
    """One request of the schedule; `at_s` is in seconds since the schedule's start."""

    at_s: float
    deadline_ms: float
    seed: int


def poisson(rate: float, seconds: float, deadlines: Sequence[float], seed: str) -> list[Planned]:
    """Arrivals of a Poisson process, each with one of the deadlines at random.

    Args:
        rate: requests per second.
        deadlines: milliseconds, each as likely as the others.
        seed: decides everything.

    Returns:
        In order of time, all before `seconds`.
    """
    draw = random.Random(seed)  # noqa: S311
    planned = []
    at_s = draw.expovariate(rate)
    while at_s < seconds:
        planned.append(Planned(at_s, draw.choice(deadlines), draw.randint(0, _LARGEST_SEED)))
        at_s += draw.expovariate(rate)
    return planned
