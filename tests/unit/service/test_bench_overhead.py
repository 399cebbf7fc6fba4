"""What `anytime bench api` counts and says, against servers that answer by script."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest
from fake_pool import FakePool, FakeTicket, app_over, result
from live_server import live
from typer.testing import CliRunner

from anytime import app
from models.errors import AnytimeError
from service.bench.launch import children, cpu_seconds, null_server
from service.bench.overhead import OverheadReport, Wish, run
from service.bench.overhead_console import introduction, remarks, table
from service.settings import Settings

QUICK = Wish(rates=(100.0,), concurrency=3, seconds=0.2, warmup=0.05)
SETTINGS = Settings()


async def measured(pool: FakePool, wish: Wish = QUICK) -> OverheadReport:
    async with live(app_over(pool, SETTINGS), SETTINGS) as address:
        return await asyncio.to_thread(run, f"http://{address}", None, wish)


async def test_every_request_of_every_load_is_counted() -> None:
    pool = FakePool()
    report = await measured(pool)
    assert [(row.load, row.asked) for row in report.rows] == [("sequential", 1), ("open", 100.0), ("saturated", 3)]
    assert sum(row.requests for row in report.rows) < len(pool.tickets)  # those of the warm-up count nowhere
    for row in report.rows:
        assert row.requests > 0
        assert row.failed == {}
        assert 0 < row.ms.p50 <= row.ms.p90 <= row.ms.p99 <= row.ms.max
        assert row.requests_per_s > 0
        assert (row.cpu_ms.api, row.cpu_ms.workers) == (None, None)  # of a server that was given nobody knows
        assert row.cpu_ms.generator > 0
    assert report.executor is None
    assert "given" in introduction(report)
    assert table(report).row_count == 3
    assert remarks(report) == []


async def test_what_is_no_complete_answer_has_failed() -> None:
    pool = FakePool()

    def alternate(ticket: FakeTicket) -> None:
        ticket.tell(result(ticket, 4) if len(pool.tickets) % 2 else result(ticket, 2, "shed"))

    pool.on_submit = alternate
    report = await measured(pool, Wish((), 2, 0.1, 0.0))
    for row in report.rows:
        assert set(row.failed) == {"shed"}
        assert 0 < row.failed["shed"] < row.requests
    assert remarks(report)[0].startswith("one at a time: ")
    assert "x shed." in remarks(report)[0]


async def test_a_server_that_answers_nothing_is_no_result() -> None:
    pool = FakePool()
    pool.on_submit = lambda ticket: ticket.tell(result(ticket, 1, "shed"))
    with pytest.raises(AnytimeError, match="no complete answer"):
        await measured(pool)


def test_processor_time_of_a_process() -> None:
    before, end = cpu_seconds(os.getpid()), time.process_time() + 0.05
    while time.process_time() < end:
        pass
    assert 0.02 <= cpu_seconds(os.getpid()) - before <= 1.0
    nobody = 2**22 + 1
    assert cpu_seconds(nobody) == 0.0
    assert children(nobody) == []


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(AnytimeError, match=r"did not start: .*no bundle") as raised, null_server(tmp_path):
        pytest.fail("there is nothing to serve")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("option", ["--profile", "--bundles"])
def test_a_running_server_is_measured_as_it_is(option: str) -> None:
    outcome = CliRunner().invoke(app, ["bench", "api", "--url", "http://127.0.0.1:9", option, "x"])
    assert outcome.exit_code == 2
    assert "--url" in outcome.output
