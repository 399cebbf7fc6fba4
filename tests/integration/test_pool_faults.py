"""Workers that die or hang while they have requests."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from real_pool import ending, generation, read, serving, settings, until, until_running, workers, write_bundles

from service.errors import ServiceError, WorkerLost
from service.outcomes import Loss


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundles(tmp_path_factory.mktemp("pool"))


async def test_a_killed_workers_requests_go_to_another_and_get_the_same_codes(bundles: Path) -> None:
    async with serving(settings(bundles, workers=2)) as (pool, observer):
        await until(lambda: observer.up == {0: True, 1: True})
        asked = [generation("long", seed=seed, max_codes=300, preview_ms=20.0) for seed in range(6)]
        before = [await read(pool.submit(each, pool.clock.now() + 30)) for each in asked]
        tickets = [pool.submit(each, pool.clock.now() + 30) for each in asked]
        await asyncio.gather(*map(until_running, tickets))
        workers()[0].kill()
        after = await asyncio.gather(*map(read, tickets))
        for (_, whole), (_, again) in zip(before, after, strict=True):
            assert again.outputs[0].codes == whole.outputs[0].codes
        assert {ticket.losses for ticket in tickets} == {0, 1}
        await until(lambda: observer.up == {0: True, 1: True})
        assert (observer.restarts, observer.losses) == (1, [Loss.DIED])


async def test_a_killed_workers_requests_wait_for_the_next_one_or_are_told_in_time(bundles: Path) -> None:
    async with serving(settings(bundles)) as (pool, observer):
        now = pool.clock.now()
        patient = [
            pool.submit(generation("long", seed=seed, max_codes=50, preview_ms=0.0), now + 60) for seed in range(3)
        ]
        await until_running(patient[0])
        # Less than a worker takes to start anywhere.
        hasty = [pool.submit(generation("long", seed=seed), pool.clock.now() + 0.25) for seed in range(3)]
        workers()[0].kill()
        for ticket in hasty:
            assert isinstance(await ending(ticket), WorkerLost)
        assert not pool.ready  # they were told before the next worker was there
        with pytest.raises(WorkerLost):
            pool.submit(generation(), pool.clock.now() + 0.05)
        parked = pool.submit(generation(), pool.clock.now() + 60)
        parked.stop()
        cancelled = pool.submit(generation(), pool.clock.now() + 60)
        cancelled.cancel()
        for ticket in patient:
            assert (await read(ticket))[1].outputs[0].stop_reason == "complete"
        assert (await read(parked))[1].outputs[0].stop_reason in {"client_stop", "complete"}
        assert (observer.restarts, pool.ready, pool.running) == (1, True, 0)


async def test_who_has_a_frozen_worker_is_helped_by_the_other_and_nobody_else_notices(bundles: Path) -> None:
    async with serving(settings(bundles, workers=2)) as (pool, observer):
        await until(lambda: observer.up == {0: True, 1: True})
        slow = [generation("long", seed=seed, max_codes=200, preview_ms=0.0) for seed in range(4)]
        before = [await read(pool.submit(each, pool.clock.now() + 30)) for each in slow]
        tickets = [pool.submit(each, pool.clock.now() + 30) for each in slow]
        hasty = [pool.submit(generation("long", seed=seed), pool.clock.now() + 0.2) for seed in range(4)]
        frozen = workers()[0]
        frozen.suspend()
        for ticket in hasty:
            ended = await ending(ticket)
            # Long before the frozen worker is given up for good, and with seconds to spare for a machine that stalls.
            assert not isinstance(ended, ServiceError) or pool.clock.now() < ticket.deadline + 4.0
        after = await asyncio.gather(*map(read, tickets))
        for (_, whole), (_, again) in zip(before, after, strict=True):
            assert again.outputs[0].codes == whole.outputs[0].codes
        assert {ticket.losses for ticket in tickets} == {0, 1}
        for seed in range(20):  # those who come now
            ticket = pool.submit(generation(seed=seed), pool.clock.now() + 1.0)
            assert (await read(ticket))[1].outputs
            assert ticket.losses == 0
        frozen.resume()
        ticket = pool.submit(generation("long", n=8, max_codes=100), pool.clock.now() + 30)
        heard = len(observer.heard)
        await until(lambda: {0, 1} <= set(observer.heard[heard:]))  # it works again
        await read(ticket)
        assert observer.restarts == 0
        assert pool.running == 0


async def test_a_worker_that_hangs_for_good_is_replaced(bundles: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.pool.watchdog._HOPELESS_S", 0.8)
    async with serving(settings(bundles)) as (pool, observer):
        workers()[0].suspend()
        assert isinstance(await ending(pool.submit(generation(), pool.clock.now() + 0.5)), WorkerLost)
        await until(lambda: observer.restarts == 1 and pool.ready)
        assert observer.losses == [Loss.HUNG]
        assert (await read(pool.submit(generation(), pool.clock.now() + 30)))[1].outputs


async def test_a_worker_is_not_blamed_for_a_hang_of_this_process(bundles: Path) -> None:
    async with serving(settings(bundles)) as (pool, observer):
        ticket = pool.submit(generation("long", max_codes=400, preview_ms=0.0), pool.clock.now() + 60)
        await until_running(ticket)
        time.sleep(1.0)  # noqa: ASYNC251  that is what is tested
        assert (await read(ticket))[1].outputs[0].stop_reason == "complete"
        assert (ticket.losses, observer.restarts) == (0, 0)
