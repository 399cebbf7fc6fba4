"""What the system knows of a process that says nothing: whether it works, or stands still."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

_RUNNABLE = "R"
_STATE, _USER, _SYSTEM = 0, 11, 12  # fields behind the name, which itself may hold anything


class Vitals(NamedTuple):
    """One look at a process.

    Attributes:
        ticks: processor time of all of its threads so far, in the system's ticks (a hundredth of a second on Linux).
        runnable: whether it computes now, or would if it were given a processor.
    """

    ticks: int
    runnable: bool


def look_at(pid: int) -> Vitals | None:
    """See how a process is; None if it is gone, or where there is no /proc.

    Source: proc_pid_stat(5).
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return Vitals(int(fields[_USER]) + int(fields[_SYSTEM]), fields[_STATE] == _RUNNABLE)
