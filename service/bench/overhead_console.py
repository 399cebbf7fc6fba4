"""The result of `anytime bench api` for a person to read."""

from __future__ import annotations

import io
import pstats
from pathlib import Path

from rich.table import Table

from service.bench.overhead import OverheadReport, Row

_HEADINGS = (
    *("load", "requests", "failed", "per second", "p50 ms", "p90 ms", "p99 ms", "max ms"),
    *("API ms", "workers ms", "generator ms"),
)
_PROFILE_LINES = 40


def introduction(report: OverheadReport) -> str:
    """What was measured on what, for above the table."""
    server = f"given, at {report.url}" if report.executor is None else "started with executor null"
    profiled = " The API process ran under a profiler: it is slower than it would be." if report.profiled else ""
    noise = report.timer_overshoot_ms
    return (
        f"{report.model} on a server that was {server}; complete samples of {report.ask.max_codes} codes as "
        f"{report.ask.format}, {report.seconds:g} seconds per load.{profiled}\n"
        f"{report.machine.cores} x {report.machine.cpu}, shared with this program; a plain timer was late by "
        f"{_ms(noise.p50)} ms in the median, {_ms(noise.p99)} ms at p99, {_ms(noise.max)} ms at worst.\n"
        "The last three columns are processor time per request."
    )


def remarks(report: OverheadReport) -> list[str]:
    """Why requests failed, for below the table."""
    return [
        f"{_load(row)}: {', '.join(f'{count} x {reason}' for reason, count in row.failed.items())}."
        for row in report.rows
        if row.failed
    ]


def table(report: OverheadReport) -> Table:
    """One row per load."""
    found = Table(box=None, pad_edge=False)
    for heading in _HEADINGS:
        found.add_column(heading, justify="left" if heading == "load" else "right", no_wrap=True)
    for row in report.rows:
        ms, cpu = row.ms, row.cpu_ms
        times = (ms.p50, ms.p90, ms.p99, ms.max, cpu.api, cpu.workers, cpu.generator)
        found.add_row(
            _load(row),
            str(row.requests),
            str(sum(row.failed.values())),
            f"{row.requests_per_s:,.0f}",
            *(map(_ms, times)),
        )
    return found


def profile_lines(profile: Path) -> str:
    """Where the API process spent its time, by function, those first that took most themselves."""
    said = io.StringIO()
    pstats.Stats(str(profile), stream=said).strip_dirs().sort_stats("tottime").print_stats(_PROFILE_LINES)
    return said.getvalue().strip()


def _load(row: Row) -> str:
    match row.load:
        case "open":
            return f"{row.asked:,.0f} per second"
        case "saturated":
            return f"{row.asked:g} under way"
        case _:
            return "one at a time"


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
