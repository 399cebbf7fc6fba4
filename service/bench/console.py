"""The result of a run for a person to read: a table, and what must be said about it."""

from __future__ import annotations

from rich.table import Table

from service.bench.report import Report

_HEADINGS = (
    *("load", "sent", "on time", "late", "refused", "failed"),
    *("p99 ms", "max ms", "codes", "quality", "of bound"),
)
_LATE_SEND_MS = 1.0


def introduction(report: Report) -> list[str]:
    """What was measured on what, for above the table."""
    capacity, noise = report.capacity, report.timer_overshoot_ms
    deadlines = ", ".join(f"{each:g}" for each in report.deadlines_ms)
    return [
        f"{report.model} at {report.url}, deadlines of {deadlines} ms, {report.seconds:g} seconds per load.",
        f"Capacity: {capacity.requests_per_s:,.1f} full-length requests per second.",
        f"Generator: {report.machine.cores} x {report.machine.cpu}; a plain timer was late by {_ms(noise.p50)} ms in "
        f"the median, {_ms(noise.p99)} ms at p99, {_ms(noise.max)} ms at worst.",
    ]


def table(report: Report) -> Table:
    """The cells, one row per load; p99 and max are of the overshoot."""
    found = Table(box=None, pad_edge=False)
    for heading in _HEADINGS:
        found.add_column(heading, justify="right", no_wrap=True)
    for cell in report.cells:
        found.add_row(
            f"{cell.load:g}",
            *(str(number) for number in (cell.sent, cell.on_time, cell.late, cell.refused, cell.failed)),
            _ms(cell.overshoot_ms.p99),
            _ms(cell.overshoot_ms.max),
            "–" if cell.codes.mean is None else f"{cell.codes.mean:.1f}",
            "–" if cell.quality_mean is None else f"{cell.quality_mean:.3f}",
            "–" if cell.bound_share is None else f"{cell.bound_share:.1%}",
        )
    return found


def remarks(report: Report) -> list[str]:
    """What a reader of the table must know besides: what its columns mean, why requests failed, what noise explains."""
    said = ["The last byte of an answer came p99 and max ms after its deadline; negative is before."]
    for cell, detail in zip(report.cells, report.details, strict=True):
        reasons = [f"{count} x {reason}" for reason, count in (detail.refusals | detail.failures).items()]
        if reasons:
            said.append(f"Load {cell.load:g}: {', '.join(reasons)}.")
        if cell.late:
            said.append(
                f"Load {cell.load:g}: {detail.late_within_noise} of {cell.late} late answers missed by no more than a "
                "plain timer did meanwhile."
            )
        if detail.send_late_ms.p99 is not None and detail.send_late_ms.p99 > _LATE_SEND_MS:
            said.append(
                f"Load {cell.load:g}: one request in a hundred was sent {detail.send_late_ms.p99:.1f} ms or more after "
                f"it was due; the generator was busy {detail.generator_busy:.0%} of the time."
            )
    return said


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
