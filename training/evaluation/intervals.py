"""95% intervals for means, proportions and statistics of a resampled set."""

from __future__ import annotations

import math

from torch import Tensor

from models.config import Frozen

Z95 = 1.959963984540054  # the 97.5% quantile of the standard normal distribution


class Estimate(Frozen):
    """A number and its 95% confidence interval."""

    value: float
    low: float
    high: float


class Proportion(Estimate):
    """A share of `count` independent trials, with Wilson's score interval."""

    hits: int
    count: int


def mean_estimate(values: Tensor) -> Estimate:
    """The mean of independent values (N,), N >= 2, with the normal interval of its standard error."""
    values = values.double()
    return around(values.mean().item(), (values.std() / math.sqrt(len(values))).item())


def means(columns: Tensor) -> tuple[Estimate, ...]:
    """The mean of each column of independent rows, (N, M) -> M estimates."""
    return tuple(mean_estimate(column) for column in columns.unbind(1))


def around(value: float, deviation: float) -> Estimate:
    """The normal interval around `value` for a standard deviation of that estimate."""
    return Estimate(value=value, low=value - Z95 * deviation, high=value + Z95 * deviation)


def proportion(hits: int, count: int) -> Proportion:
    """Wilson's score interval, which stays inside [0, 1] and is sound near both ends.

    Raises:
        ValueError: if count is not positive or hits is outside 0 .. count.
    """
    if not 0 <= hits <= count or count == 0:
        raise ValueError(f"{hits} of {count} is not a proportion")
    share, square = hits / count, Z95 * Z95
    centre = (share + square / (2 * count)) / (1 + square / count)
    radius = Z95 / (1 + square / count) * math.sqrt(share * (1 - share) / count + square / (4 * count * count))
    # At the ends centre -+ radius equals the share but for rounding.
    low, high = min(share, max(0.0, centre - radius)), max(share, min(1.0, centre + radius))
    return Proportion(value=share, low=low, high=high, hits=hits, count=count)
