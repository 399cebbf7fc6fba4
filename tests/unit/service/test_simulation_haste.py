"""What a sample can gain in a limited time."""

from __future__ import annotations

import numpy as np
import pytest

from service.simulation.bound import Demand, Work, clairvoyant_quality
from service.simulation.haste import Haste, Operations, prices

QUALITY = [0.0, 0.6, 0.9]
BATCHES = Operations([{1: [1.0], 8: [2.0]}], {1: [1.0], 8: [2.0]}, [[0.5]])
"""A batch of eight takes twice as long as one alone."""


def most(window: float, operations: Operations = BATCHES) -> float:
    """The quality that a sample can have in a window if device time costs nothing: the height of its last tangent."""
    series = prices(operations, QUALITY)
    widths = Haste(operations, QUALITY, series).widths([window])[:, 0]
    return float(np.sum(np.diff(widths, prepend=0.0) * np.array(series[:-1])))


def charged(window: float) -> float:
    """Device time that a sample asks for as long as it costs next to nothing."""
    return float(Haste(BATCHES, QUALITY, prices(BATCHES, QUALITY)).widths([window])[-1, 0])


def test_codes_take_time_one_after_the_other() -> None:
    assert [most(window) for window in (2.3, 2.5, 3.5, 9.0)] == pytest.approx([0.0, 0.6, 0.9, 0.9])


def test_who_has_little_time_pays_for_small_batches() -> None:
    """Three seconds and a half leave no time for a batch of eight; six and a half for nothing but such."""
    assert charged(3.6) == pytest.approx(3.5, rel=0.1)
    assert charged(6.6) == pytest.approx(3 * 2 / 8 + 0.5, rel=0.1)


def test_luck_counts_as_often_as_it_comes() -> None:
    """A step that takes one second or three, as often, fits into two and a half half of the time."""
    chancy = Operations([{1: [1.0, 3.0]}], {1: [1.0]}, [[0.5]])
    assert most(2.6, chancy) == pytest.approx(0.3)
    assert most(9.0, chancy) == pytest.approx(0.9)


def test_a_short_window_lowers_the_bound_and_a_long_one_does_not() -> None:
    work = Work(code_s=0.25, sample_s=0.75)
    hurried = [Demand(0.0, 3.6, 2) for _ in range(8)]
    assert clairvoyant_quality(hurried, work, QUALITY, 1, BATCHES) < 0.8 * clairvoyant_quality(hurried, work, QUALITY)
    patient = [Demand(0.0, 50.0, 2) for _ in range(8)]
    assert clairvoyant_quality(patient, work, QUALITY, 1, BATCHES) == pytest.approx(8 * 0.9)
