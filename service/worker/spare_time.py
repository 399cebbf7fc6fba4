"""Work that takes no time from others: the start of a worker that is to take over while another serves."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")

_LEAST = 19


def in_spare_time(work: Callable[[], Result]) -> Result:
    """Do something in processor time that nobody else wants, and return what it returns, or raise what it raises.

    It is done by a thread of its own, which ends with it: priorities belong to threads, and to raise one again takes
    privileges. Threads that the work starts are as patient.
    """
    with ThreadPoolExecutor(1, "spare-time", initializer=_step_back) as executor:
        return executor.submit(work).result()


def _step_back() -> None:
    """Give the calling thread the least of priorities; elsewhere than on Linux that cannot be done for one alone."""
    if sys.platform != "linux":
        return
    try:
        # Whoever wakes up then has the processor at once, where a high nice value may keep it for milliseconds.
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    except OSError:
        os.nice(_LEAST)
