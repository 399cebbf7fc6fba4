"""Who is let in, and when."""

from __future__ import annotations

import asyncio

from service.api.gate import _AT_ONCE, Gate


async def test_a_crowd_comes_in_a_few_at_a_time_in_the_order_of_arrival() -> None:
    gate, inside = Gate(), []

    async def come(number: int) -> None:
        await gate.enter()
        inside.append(number)

    tasks = [asyncio.create_task(come(number)) for number in range(50)]
    before = rounds = 0
    while len(inside) < 50:
        await asyncio.sleep(0)
        rounds += 1
        assert len(inside) - before <= _AT_ONCE
        before = len(inside)
    assert inside == list(range(50))
    assert rounds <= 50 // _AT_ONCE + 3
    await asyncio.gather(*tasks)


async def test_who_comes_alone_does_not_wait() -> None:
    gate = Gate()
    for _ in range(5):
        entering = asyncio.ensure_future(gate.enter())
        await asyncio.sleep(0)
        assert entering.done()
        await asyncio.sleep(0)
        await asyncio.sleep(0)


async def test_who_gives_up_waiting_holds_nobody_up() -> None:
    gate = Gate()
    tasks = [asyncio.create_task(gate.enter()) for _ in range(3 * _AT_ONCE)]
    await asyncio.sleep(0)
    for task in tasks[_AT_ONCE : 2 * _AT_ONCE]:
        task.cancel()
    await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)
    assert [task.cancelled() for task in tasks] == [False] * _AT_ONCE + [True] * _AT_ONCE + [False] * _AT_ONCE
