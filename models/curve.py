"""The quality curve: expected quality after n codes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise


def fit_quality_curve(errors: Sequence[float]) -> tuple[float, ...]:
    """Share of the achievable error reduction, fitted monotone and concave.

    q(n) = (err(0) - err(n)) / (err(0) - err(K)). The gains q(n) - q(n-1) are replaced by their least-squares fit among
    non-increasing, non-negative sequences (pool adjacent violators), which keeps q(0) = 0 and q(K) = 1.

    Args:
        errors: K + 1 numbers, err(0) .. err(K).

    Returns:
        K + 1 numbers in [0, 1].

    Raises:
        ValueError: if there are fewer than two errors, or the last is not below the first.
    """
    if len(errors) < 2 or not errors[-1] < errors[0]:
        raise ValueError("a quality curve needs errors that fall from the first to the last")
    pools: list[tuple[float, int]] = []  # (mean gain, how many gains share it), means falling
    for before, after in pairwise(errors):
        mean, count = before - after, 1
        while pools and pools[-1][0] < mean:
            earlier, size = pools.pop()
            mean, count = (earlier * size + mean * count) / (size + count), size + count
        pools.append((mean, count))
    gains = [max(mean, 0.0) for mean, count in pools for _ in range(count)]
    total = sum(gains)
    curve = [0.0]
    for gain in gains[:-1]:
        curve.append(min(1.0, curve[-1] + gain / total))
    return (*curve, 1.0)
