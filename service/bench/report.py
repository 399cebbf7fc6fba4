"""The result of a run: one JSON document and one trace."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib.metadata import version
from os import cpu_count
from pathlib import Path

import msgspec

from models.errors import AnytimeError
from service.bench.cells import Cell, Detail, Spread
from service.bench.schedule import Ask
from service.bench.verdicts import Verdict
from service.metrics import package_version


class CapacityReport(msgspec.Struct, frozen=True):
    """The capacity found, and what follows from it for one code and for one sample beside its codes.

    Attributes:
        requests: how many it took to find it; they are in no cell.
    """

    requests_per_s: float
    one_code_requests_per_s: float
    concurrency: int
    requests: int
    code_ms: float
    sample_ms: float


class Machine(msgspec.Struct, frozen=True):
    """Where the generator ran."""

    cpu: str
    cores: int


class Report(msgspec.Struct, frozen=True):
    """What a run found.

    Attributes:
        cells: one per load.
        details: one per load, in the same order.
        timer_overshoot_ms: a plain timer's, over all loads.
    """

    url: str
    model: str
    ask: Ask
    codes_total: int
    deadlines_ms: list[float]
    seconds: float
    seed: int
    capacity: CapacityReport
    cells: list[Cell]
    details: list[Detail]
    timer_overshoot_ms: Spread
    machine: Machine
    versions: dict[str, str]


class TraceLine(msgspec.Struct, frozen=True):
    """One request as it was sent, and what became of it.

    Attributes:
        at_s: when it was due, in seconds since the first load began.
        load: of its cell.
        codes: of the sample that has fewest, and `stop_reason` why it has no more; None without an answer.
        quality: mean over its samples.
        outcome: its class.
        reason: of a refusal or a failure.
        way_ms: how much of an answer's `client_ms` its worker did not have it.
    """

    at_s: float
    deadline_ms: float
    n: int
    min_codes: int
    max_codes: int
    scale: int
    format: str
    seed: int
    load: float
    outcome: str
    status: int | None
    reason: str | None
    client_ms: float | None
    send_late_ms: float | None
    codes: int | None
    stop_reason: str | None
    quality: float | None
    way_ms: float | None


def this_machine() -> Machine:
    """The processor's name, as well as the system knows it, and how many cores there are."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return Machine(names[0] if names else platform.processor() or platform.machine(), cpu_count() or 1)


def versions() -> dict[str, str]:
    """Of the generator and what it runs on."""
    return {"anytime": package_version(), "python": platform.python_version(), "httptools": version("httptools")}


def trace_line(ask: Ask, load: float, offset: float, verdict: Verdict) -> TraceLine:
    """A verdict as a line of the trace; `offset` is when its load began, in seconds since the first one."""
    fewest = min(zip(verdict.codes, verdict.stop_reasons, strict=True), default=(None, None))
    qualities = verdict.qualities
    return TraceLine(
        at_s=round(offset + verdict.planned.at_s, 6),
        deadline_ms=verdict.planned.deadline_ms,
        n=ask.n,
        min_codes=ask.min_codes,
        max_codes=ask.max_codes,
        scale=ask.scale,
        format=ask.format,
        seed=verdict.planned.seed,
        load=load,
        outcome=verdict.group,
        status=verdict.status,
        reason=verdict.reason,
        client_ms=None if verdict.client_ms is None else round(verdict.client_ms, 3),
        send_late_ms=None if verdict.send_late_ms is None else round(verdict.send_late_ms, 3),
        codes=fewest[0],
        stop_reason=fewest[1],
        quality=round(sum(qualities) / len(qualities), 6) if qualities else None,
        way_ms=_way_ms(verdict),
    )


def _way_ms(verdict: Verdict) -> float | None:
    if verdict.client_ms is None or verdict.worker_ms is None:
        return None
    return round(max(verdict.client_ms - verdict.worker_ms, 0.0), 3)


def write_json(report: object, path: Path) -> None:
    """Write the document, of whatever msgspec can encode. Raises AnytimeError if it cannot be written."""
    _write(path, msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")


def write_trace(lines: Sequence[TraceLine], path: Path) -> None:
    """Write one JSON object per line. Raises AnytimeError if it cannot be written."""
    _write(path, msgspec.json.Encoder().encode_lines(lines))


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise AnytimeError(f"cannot write {path}: {(error.strerror or str(error)).lower()}") from error
