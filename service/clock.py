"""Time as an argument, so that tests can move it by hand."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Protocol


def unix_seconds() -> int:
    """Whole seconds since 1970, for clients that want a date. Nothing is timed by it."""
    return int(time.time())


def unix_nanoseconds() -> int:
    """Nanoseconds since 1970, for what is compared with what other machines say. Nothing is timed by it."""
    return time.time_ns()


def clock_id() -> str:
    """Which monotonic clock this process reads: two processes with the same one may compare what they read.

    Linux counts from the start of the machine, for all processes alike but for those of another time namespace. Where
    that cannot be found out the clock counts as nobody else's.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{boot}/{Path('/proc/self/ns/time').readlink()}"
    except OSError:
        return os.urandom(16).hex()


class Clock(Protocol):
    """A monotonic clock in seconds, comparable only with itself."""

    def now(self) -> float:
        """Seconds since an arbitrary start."""


class MonotonicClock:
    """The machine's monotonic clock."""

    now = staticmethod(time.monotonic)  # itself, and not a call to it: it is looked at a dozen times for every request


class ProcessorClock:
    """The processor time of the thread that asks: it stands still while others have the processor."""

    now = staticmethod(time.thread_time)
