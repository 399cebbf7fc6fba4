"""What collects: histograms that cost little to count in, and children that are found without a lock."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Set
from functools import cache
from math import inf
from typing import Any, Protocol

from prometheus_client.core import Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

_bound_name: Callable[[float], str] = floatToGoString


class Tally:
    """Counts values by the bucket that they fall into.

    The library's own takes a lock twice and looks at one bucket after another. Here one thread counts, five values for
    every answer and two for every step.

    Args:
        bounds: of the buckets from above, ascending; the last is infinite.
    """

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * len(bounds)
        self._sum = 0.0

    def observe(self, value: float, times: int = 1) -> None:
        """Count a value, so many times."""
        self._counts[bisect_left(self._bounds, value)] += times
        self._sum += value * times

    def add_to(self, family: Metric, labels: dict[str, str]) -> None:
        """Show what was counted, as the library shows it: no sum where values may be negative."""
        total = 0
        for bound, count in zip(self._bounds, self._counts, strict=True):
            total += count
            family.add_sample(f"{family.name}_bucket", {**labels, "le": _bound_name(bound)}, total)
        family.add_sample(f"{family.name}_count", labels, total)
        if self._bounds[0] >= 0:
            family.add_sample(f"{family.name}_sum", labels, self._sum)


class Histogram(Collector):
    """A family of tallies, one for each combination of its labels' values that was asked for."""

    def __init__(self, name: str, help_text: str, bounds: tuple[float, ...], labels: tuple[str, ...]) -> None:
        self._about = (name, help_text, labels)
        self._bounds = (*bounds, inf)
        self._tallies: dict[tuple[str, ...], Tally] = {}

    def labels(self, *values: str) -> Tally:
        """The tally for these values."""
        return self._tallies.setdefault(values, Tally(self._bounds))

    def remove(self, *values: str) -> None:
        """Forget the tally for these values."""
        del self._tallies[values]

    def collect(self) -> Iterator[Metric]:
        """For the registry."""
        name, help_text, labels = self._about
        family = Metric(name, help_text, "histogram")
        for values, tally in self._tallies.items():
            tally.add_to(family, dict(zip(labels, values, strict=True)))
        yield family


class Phases(Collector):
    """How long all answered requests of a model together were in each phase; for `front`, outside the worker."""

    NAMES = ("queue", "sample", "decode", "encode", "front")

    def __init__(self, name: str, help_text: str) -> None:
        self._about = (name, help_text)
        self._spent: dict[str, list[float]] = {}

    def of(self, model: str) -> list[float]:
        """The model's milliseconds, in the order of `NAMES`; to be added to."""
        return self._spent.setdefault(model, [0.0] * len(self.NAMES))

    def keep(self, models: Set[str]) -> None:
        """Forget all others."""
        self._spent = {model: spent for model, spent in self._spent.items() if model in models}

    def collect(self) -> Iterator[Metric]:
        """For the registry."""
        family = Metric(*self._about, "counter")
        for model, spent in self._spent.items():
            for phase, milliseconds in zip(self.NAMES, spent, strict=True):
                family.add_sample(f"{family.name}_total", {"model": model, "phase": phase}, milliseconds / 1000)
        yield family


class Family(Protocol):
    """What has a child for each combination of its labels' values that was asked for."""

    def labels(self, *values: str) -> Any:
        """The child for these."""

    def remove(self, *values: str) -> None:
        """Forget it."""


class Children:
    """What finds a family's children by their labels' values. They are few, and `labels` takes a lock at each look.

    Attributes:
        find: does so.
    """

    def __init__(self, family: Family) -> None:
        self._family = family
        self._made: set[tuple[str, ...]] = set()
        self.find = cache(self._make)

    def keep(self, place: int, values: Set[str]) -> None:
        """Forget all but those that have one of these in this place."""
        for made in [made for made in self._made if made[place] not in values]:
            self._family.remove(*made)
            self._made.discard(made)
        self.find.cache_clear()

    def _make(self, *values: str) -> Any:
        self._made.add(values)
        return self._family.labels(*values)
