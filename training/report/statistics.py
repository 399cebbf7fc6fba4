"""Means over seeds with 95% t-intervals, and differences paired by seed. Pure functions of numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from models.config import Frozen

CONFIDENCE = 0.95
_HALVINGS = 200


class Interval(Frozen):
    """A mean over `count` seeds with its t-interval; of one seed, `low` and `high` are None."""

    value: float
    low: float | None
    high: float | None
    count: int


def mean_interval(values: Sequence[float]) -> Interval:
    """The mean of independent values, at least one, and its 95% t-interval.

    Raises:
        ValueError: if there are no values.
    """
    count = len(values)
    if not count:
        raise ValueError("the mean of no values")
    mean = math.fsum(values) / count
    if count == 1:
        return Interval(value=mean, low=None, high=None, count=1)
    variance = math.fsum((value - mean) ** 2 for value in values) / (count - 1)
    radius = t_quantile((1 + CONFIDENCE) / 2, count - 1) * math.sqrt(variance / count)
    return Interval(value=mean, low=mean - radius, high=mean + radius, count=count)


def paired_interval(first: Mapping[int, float], second: Mapping[int, float]) -> Interval:
    """The mean of first - second over the seeds that both have, with the interval of the paired difference.

    Raises:
        ValueError: if no seed is in both.
    """
    seeds = sorted(first.keys() & second.keys())
    return mean_interval([first[seed] - second[seed] for seed in seeds])


def t_quantile(probability: float, freedom: int) -> float:
    """The quantile of Student's t-distribution, for probabilities from 0.5 on.

    Raises:
        ValueError: if the probability is outside [0.5, 1) or there is no degree of freedom.
    """
    if not 0.5 <= probability < 1 or freedom < 1:
        raise ValueError(f"no quantile {probability} of a t-distribution with {freedom} degrees of freedom")
    # By halving the angle whose tangent is t, up to a factor: t has no bound, its angle has.
    low, high = 0.0, math.pi / 2
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if _central_share(middle, freedom) < 2 * probability - 1:
            low = middle
        else:
            high = middle
    return math.sqrt(freedom) * math.tan((low + high) / 2)


def _central_share(angle: float, freedom: int) -> float:
    """P(|T| < sqrt(freedom) tan(angle)), a finite series (Abramowitz and Stegun, 26.7.3 and 26.7.4)."""
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = freedom % 2
    term = cosine if odd else 1.0
    total = 0.0
    for power in range(1 if odd else 0, freedom - 1, 2):
        total += term
        term *= cosine * cosine * (power + 1) / (power + 2)
    return 2 / math.pi * (angle + sine * total) if odd else sine * total
