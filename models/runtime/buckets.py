"""Batch sizes that a step is prepared for."""

from __future__ import annotations


def power_of_two_buckets(slots: int) -> tuple[int, ...]:
    """1, 2, 4, .. up to `slots`, which is the last whether or not it is a power of two."""
    return (*(1 << i for i in range(slots.bit_length()) if 1 << i < slots), slots)
