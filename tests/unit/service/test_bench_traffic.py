"""The load generator against servers that answer by script: it waits for nobody, and hides nothing."""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from collections.abc import Sequence
from statistics import fmean
from typing import Any

import pytest
from scripted_server import Script, answer, problem, response, scripted

from models.errors import AnytimeError
from service.bench.capacity import Capacity, measure
from service.bench.schedule import Ask, Planned
from service.bench.target import Target
from service.bench.timers import PreciseSelector, Ticker, precise_loop
from service.bench.traffic import offer
from service.bench.verdicts import Class, Verdict, judge

ASK = Ask("tiny", max_codes=4)


def every(seconds: float, count: int, deadline_ms: float = 100.0) -> list[Planned]:
    return [Planned(number * seconds, deadline_ms, number) for number in range(count)]


async def verdicts(target: Target, plan: Sequence[Planned], patience: float = 5.0) -> list[Verdict]:
    traffic = await offer(target, ASK, plan, patience)
    return [judge(planned, ASK, each) for planned, each in zip(plan, traffic.exchanges, strict=True)]


async def test_a_server_that_stalls_holds_up_no_request() -> None:
    """A server that answers nobody until all have asked: all are sent all the same, each on a clock of its own."""
    asked, everybody, answered = 0, asyncio.Event(), []

    async def stall(_: dict[str, Any]) -> bytes:
        nonlocal asked
        asked += 1
        if asked == 20:
            await asyncio.sleep(0.15)
            everybody.set()
        await everybody.wait()
        answered.append(asyncio.get_running_loop().time())
        return answer()

    plan = every(0.01, 20)
    async with scripted(stall) as target:
        traffic = await offer(target, ASK, plan, 60.0)
    assert len(answered) == 20
    for planned, exchange in zip(plan, traffic.exchanges, strict=True):
        verdict = judge(planned, ASK, exchange)
        assert verdict.group is Class.LATE
        assert verdict.client_ms is not None
        assert verdict.client_ms >= 1000 * (min(answered) - traffic.start - planned.at_s)


async def test_a_generator_that_falls_behind_says_so_and_leaves_nothing_out() -> None:
    async def prompt(_: dict[str, Any]) -> bytes:
        return answer()

    async with scripted(prompt) as target:
        asyncio.get_running_loop().call_later(0.2, time.sleep, 0.2)
        found = await verdicts(target, every(0.01, 30, deadline_ms=50))
    assert len(found) == 30
    late = [each for each in found if (each.send_late_ms or 0.0) > 50]
    assert late
    assert all(each.group is Class.LATE for each in late)  # the time since it was due counts, whoever lost it


async def test_whatever_a_server_does_is_named() -> None:
    said: dict[int, bytes | None] = {
        0: answer(),
        1: problem("overloaded", 503),
        2: problem("deadline-infeasible", 504),
        3: problem("invalid-field", 422),
        4: response("what?", 500),
        5: b"SSH-2.0-OpenSSH\r\n",
        6: None,
        7: answer(n=2),
        8: response({"outputs": 3}),
        9: b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf",
    }

    async def script(request: dict[str, Any]) -> bytes | None:
        if request["seed"] == 10:
            await asyncio.sleep(60)
        return said[request["seed"]]

    plan = every(0.005, 11, deadline_ms=3000)
    async with scripted(script) as target:
        found = await verdicts(target, plan, patience=0.2)
    assert [(each.group, each.reason) for each in found[:3]] == [
        (Class.ON_TIME, None),
        (Class.REFUSED, "overloaded"),
        (Class.REFUSED, "deadline-infeasible"),
    ]
    assert {each.group for each in found[3:]} == {Class.FAILED}
    assert [each.reason for each in found[3:5]] == ["status 422 invalid-field", "status 500"]
    assert (found[5].reason or "").startswith("not HTTP")
    assert [each.reason for each in found[6:]] == [
        "connection closed",
        "incomplete answer",
        "unreadable answer",
        "no answer",
        "no answer",
    ]


async def test_connections_are_kept_and_replaced() -> None:
    """A server that closes after each answer: every request still gets its connection."""

    async def once(_: dict[str, Any]) -> bytes:
        return answer().replace(b"content-length", b"connection: close\r\ncontent-length")

    async def prompt(_: dict[str, Any]) -> bytes:
        return answer()

    opened = []
    for script in (once, prompt):
        async with scripted(script) as target:
            traffic = await offer(target, ASK, every(0.01, 10), 5.0)
        assert [each.status for each in traffic.exchanges] == [200] * 10
        opened.append(traffic.opened)
    assert opened[0] > 0
    assert opened[1] == 0


async def test_a_server_that_is_gone_refuses_every_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(OSError, match="Connect call failed"):
        await offer(Target("127.0.0.1", port, f"127.0.0.1:{port}", "", secure=False), ASK, every(0.01, 1))


def one_after_another(
    code_s: float, sample_s: float, most: int = 99, took: dict[int, list[float]] | None = None
) -> Script:
    """A server with one device; with more than `most` requests inside, it answers with one code.

    It notes in `took` how long each number of codes really took: a busy machine sleeps longer than it is told.
    """
    clock = asyncio.get_running_loop().time
    device = asyncio.Lock()
    inside = 0

    async def script(request: dict[str, Any]) -> bytes:
        nonlocal inside
        inside += 1
        codes = request["max_codes"] if inside <= most else 1
        async with device:
            begun = clock()
            await asyncio.sleep(sample_s + codes * code_s)
            if took is not None:
                took.setdefault(codes, []).append(clock() - begun)
        inside -= 1
        return answer(codes)

    return script


async def test_capacity_is_found_from_outside() -> None:
    took: dict[int, list[float]] = {}
    async with scripted(one_after_another(code_s=0.005, sample_s=0.01, took=took)) as target:
        found = await measure(target, ASK, seconds=0.6, warmup=0.1, concurrency=4)
    # No faster than the script, and not much slower than it really was.
    assert 0.5 / fmean(took[4]) < found.full_per_s < 1.05 / 0.030
    assert 0.5 / fmean(took[1]) < found.one_code_per_s < 1.05 / 0.015
    assert found.concurrency == 4
    assert found.sent >= 0.6 * (found.full_per_s + found.one_code_per_s)


async def test_no_more_requests_at_once_than_are_completed() -> None:
    async with scripted(one_after_another(code_s=0.001, sample_s=0.001, most=5)) as target:
        found = await measure(target, ASK, seconds=0.2, warmup=0.0, concurrency=16)
    assert found.concurrency <= 4


async def test_a_server_that_cannot_be_saturated_is_one_sentence() -> None:
    async def short(_: dict[str, Any]) -> bytes:
        return answer(codes=1)

    async def broken(_: dict[str, Any]) -> bytes:
        return problem("invalid-field", 422)

    for script, said in ((short, "completes no sample"), (broken, "status 422 invalid-field")):
        async with scripted(script) as target:
            with pytest.raises(AnytimeError, match=said):
                await measure(target, ASK, seconds=0.2, warmup=0.0, concurrency=2)


async def test_a_slow_server_is_given_time_for_a_whole_round() -> None:
    async def slow(_: dict[str, Any]) -> bytes:
        await asyncio.sleep(0.1)
        return answer()

    ask = Ask("tiny", max_codes=1)
    async with scripted(slow) as target:
        found = await measure(target, ask, seconds=0.01, warmup=0.0, concurrency=2)
    assert 0 < found.full_per_s <= 2 / 0.1


def test_what_a_code_and_a_sample_cost_follows_from_two_rates() -> None:
    capacity = Capacity(full_per_s=10.0, one_code_per_s=25.0, full_codes=4, n=2, concurrency=8, sent=0)
    assert capacity.code_s == pytest.approx(0.01)  # 50 ms and 20 ms per sample: three codes take 30 ms
    assert capacity.sample_s == pytest.approx(0.01)
    noisy = Capacity(full_per_s=10.0, one_code_per_s=9.0, full_codes=4, n=1, concurrency=8, sent=0)
    assert 0 < noisy.code_s < 1e-6
    assert noisy.sample_s == pytest.approx(0.1)
    single = Capacity(full_per_s=10.0, one_code_per_s=10.0, full_codes=1, n=1, concurrency=8, sent=0)
    assert single.code_s + single.sample_s == pytest.approx(0.1)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere selectors are precise by themselves")
def test_waiting_is_finer_than_a_millisecond() -> None:
    with PreciseSelector() as selector:
        waits = []
        for _ in range(20):
            start = time.perf_counter()
            assert selector.select(0.0003) == []
            waits.append(time.perf_counter() - start)
    assert 0.0003 <= min(waits) < 0.001  # epoll alone would wait for a whole one


def test_a_timer_that_is_held_up_counts_every_tick() -> None:
    async def tick() -> list[float]:
        ticker = Ticker(period=0.01)
        await asyncio.sleep(0.05)
        time.sleep(0.1)  # noqa: ASYNC251
        await asyncio.sleep(0.05)
        ticker.stop()
        return ticker.overshoots

    with asyncio.Runner(loop_factory=precise_loop) as runner:
        overshoots = runner.run(tick())
    assert len(overshoots) >= 18
    assert min(overshoots) >= 0
    assert sum(late > 0.005 for late in overshoots) >= 9
