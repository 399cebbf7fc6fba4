"""How long this process has spent fetching batches: what a training step waits for before it can compute."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter


class _Spent:
    seconds = 0.0


@contextmanager
def fetching() -> Iterator[None]:
    """Within, rows are read from memory or from a mapped file; not within another such block."""
    start = perf_counter()
    try:
        yield
    finally:
        _Spent.seconds += perf_counter() - start


def seconds_fetching() -> float:
    """All of that time so far, of this process."""
    return _Spent.seconds
