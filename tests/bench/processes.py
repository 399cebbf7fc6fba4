"""What the processes of a service hold, memory, file handles, sockets, and what it counts itself."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median

import httpx
import psutil
from prometheus_client.parser import text_string_to_metric_families

API = "api"
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Holding:
    """What one process holds at one moment.

    Attributes:
        name: `api`, `worker N` or `encoder`.
        handles: open file descriptors, sockets among them.
    """

    name: str
    pid: int
    memory: int
    handles: int
    sockets: int

    @property
    def mebibytes(self) -> float:
        """Resident memory."""
        return self.memory / _MIB


def children(server: int) -> list[psutil.Process]:
    """The processes that a service has started, with those that have ended and were not collected."""
    found: list[psutil.Process] = psutil.Process(server).children(recursive=True)
    return found


def workers(server: int) -> list[psutil.Process]:
    """Its worker processes."""
    return [each for each in children(server) if "service.worker" in _words(each)]


def holdings(server: int) -> list[Holding]:
    """What every process of a service holds now; one that ends meanwhile is left out."""
    found = []
    for process in [psutil.Process(server), *children(server)]:
        with contextlib.suppress(psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
            handles = list(_handles(process.pid))
            sockets = sum(each.startswith("socket:") for each in handles)
            name = API if process.pid == server else _name(process)
            found.append(Holding(name, process.pid, process.memory_info().rss, len(handles), sockets))
    return found


def metrics(url: str) -> Counter[str]:
    """Every sample of a service's metrics, summed over its labels."""
    sums: Counter[str] = Counter()
    for family in text_string_to_metric_families(httpx.get(f"{url}/metrics", timeout=30).text):
        for sample in family.samples:
            sums[sample.name] += sample.value  # type: ignore[assignment]
    return sums


def leaks(before: Sequence[Holding], after: Sequence[Holding]) -> Iterator[str]:
    """Processes, file handles and sockets that were not there before, in words.

    Workers are alike, and may be others than before: the one that holds most is compared with the one that held most.
    """
    names = sorted(each.name for each in after)
    if names != sorted(each.name for each in before):
        yield f"its processes are {', '.join(names)}"
    for name in (API, "worker"):
        for what in ("handles", "sockets"):
            old, new = most(name, what, before), most(name, what, after)
            if new > old:
                yield f"{name}: {new} {what}, {old} before"


def most(name: str, what: str, held: Sequence[Holding]) -> int:
    """The most that a process of this kind holds; `what` is a field of `Holding`."""
    return max((getattr(each, what) for each in held if each.name.startswith(name)), default=0)


def _words(process: psutil.Process) -> list[str]:
    try:
        words: list[str] = process.cmdline()
    except psutil.Error:
        return []
    return words


def _name(process: psutil.Process) -> str:
    words = _words(process)
    if "service.worker" in words:
        return f"worker {words[words.index('--index') + 1]}"
    return "encoder" if "service.encoder" in words else "other"


def _handles(pid: int) -> Iterator[str]:
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            yield str(link.readlink())


@dataclass(frozen=True, slots=True)
class Growth:
    """How a quantity went: medians over the first and the last tenth, and the slope of a line through all.

    Attributes:
        slope: per hour.
    """

    first: float
    last: float
    slope: float

    @property
    def share(self) -> float:
        """By what part of the first it has grown; negative if it has shrunk."""
        return self.last / self.first - 1


def growth(seconds: list[float], values: list[float]) -> Growth:
    """Of at least two samples, in order of time."""
    tenth = max(len(values) // 10, 1)
    mean_s, mean = fmean(seconds), fmean(values)
    spread = sum((each - mean_s) ** 2 for each in seconds)
    slope = sum((s - mean_s) * (v - mean) for s, v in zip(seconds, values, strict=True)) / spread
    return Growth(median(values[:tenth]), median(values[-tenth:]), 3600 * slope)
