"""A front's requests: to a replica, to another when that one is lost, and always to one ending."""

from __future__ import annotations

from typing import Any

import pytest
from fake_pool import FakeTicket, manifest, output, result
from fleet_world import World, fleet, generation
from live_server import until

from service import messages
from service.errors import DeadlineInfeasible, Draining, Overloaded, ServiceError, WorkerLost
from service.fleet.fleet import WAY_SEED_S
from service.fleet.pulses import SILENT_S
from service.pool import WorkerStartError
from service.registry import Catalogue


def preview(codes: int) -> messages.Preview:
    return messages.Preview("p", output(codes=codes, stop_reason=""), 1.0)


async def only(world: World, name: str) -> FakeTicket:
    """The one request that a replica has, once it has it."""
    await until(lambda: len(world.pools[name].tickets) == 1)
    return world.pools[name].tickets[0]


async def taken(world: World, name: str, ticket: Any) -> FakeTicket:
    """The same, once the front knows as well."""
    await until(lambda: ticket.attempt is not None and ticket.attempt.replica == name)
    return await only(world, name)


async def test_a_replica_answers_with_what_is_left_of_the_deadline() -> None:
    world = World()
    world.way_s = 0.02
    async with fleet(world) as front:
        began = world.clock.now()
        answer = await front.submit(generation(world), began + 1.0).answer()
        assert answer is not None
        assert [len(each.codes) for each in answer.outputs] == [4]
        # One clock: what the way took is gone whatever it was, and what the way back is assumed to take is kept back.
        assert (await only(world, "one")).deadline == pytest.approx(began + 1.0 - WAY_SEED_S)


async def test_what_the_way_costs_is_learnt() -> None:
    world = World()
    async with fleet(world) as front:
        model = generation(world).model
        before = front.minimum_deadline_ms(model)
        for _ in range(300):
            ticket = front.submit(generation(world), world.clock.now() + 1.0)
            await ticket.answer()
            world.clock.spend(0.001)
            front.delivered(ticket)
        assert before == pytest.approx(3.25 + 1000 * WAY_SEED_S)
        assert front.minimum_deadline_ms(model) == pytest.approx(3.25 + 1.0)


async def test_a_request_whose_replica_dies_is_answered_by_another_in_what_is_left() -> None:
    world = World()
    world.pools["one"].keep()
    async with fleet(world) as front:
        deadline = world.clock.now() + 1.0
        ticket = front.submit(generation(world), deadline)
        first = await taken(world, "one", ticket)
        world.clock.spend(0.4)
        world.lose("one")
        answer = await ticket.answer()
        second = await only(world, "two")
        assert answer is not None
        assert world.asked == ["one", "two"]
        assert first.cancelled
        assert second.generation == first.generation  # the same seed, so the same codes
        assert second.deadline == pytest.approx(deadline - WAY_SEED_S)
        assert second.deadline - second.submitted == pytest.approx(0.6 - WAY_SEED_S)


async def test_a_request_that_two_replicas_died_with_is_not_tried_again() -> None:
    world = World(("one", "two", "three"))
    for pool in world.pools.values():
        pool.keep()
    async with fleet(world) as front:
        ticket = front.submit(generation(world), world.clock.now() + 1.0)
        for name in ("one", "two"):
            await taken(world, name, ticket)
            world.lose(name)
        with pytest.raises(WorkerLost):
            await ticket.answer()
        assert world.asked == ["one", "two"]
        assert front.running == 0


async def test_who_finds_no_replica_tries_until_the_deadline() -> None:
    world = World()
    async with fleet(world) as front:
        world.broken = True
        ticket = front.submit(generation(world), world.clock.now() + 1.0)
        other = front.submit(generation(world), world.clock.now() + 9.0)
        await until(lambda: ticket.attempt is not None)  # type: ignore[attr-defined]
        world.clock.spend(2.0)
        with pytest.raises(WorkerLost):
            await ticket.answer()
        world.broken = False
        assert await other.answer() is not None


async def test_a_deadline_that_nobody_could_keep_is_infeasible_though_nobody_was_asked_in_time() -> None:
    """The replica needs 3.25 ms, and the way is taken to cost 10: a request with 13 was not lost, one with 14 was."""
    world = World()
    async with fleet(world) as front:
        world.broken = True
        now = world.clock.now()
        short, longer = (front.submit(generation(world), now + seconds) for seconds in (0.013, 0.014))
        await until(lambda: longer.attempt is not None)  # type: ignore[attr-defined]
        world.clock.spend(0.1)
        with pytest.raises(DeadlineInfeasible, match=r"fits into 13\.0 ms") as raised:
            await short.answer()
        with pytest.raises(WorkerLost, match="took the request in time"):
            await longer.answer()
    assert raised.value.extra["minimum_deadline_ms"] == pytest.approx(3.25 + 1000 * WAY_SEED_S)


async def test_a_way_that_was_slow_for_a_while_does_not_shut_the_door_for_good() -> None:
    world = World(("one",))
    async with fleet(world) as front:
        for _ in range(300):
            ticket = front.submit(generation(world), world.clock.now() + 9.0)
            await ticket.answer()
            world.clock.spend(0.5)
            front.delivered(ticket)
        asked = generation(world)
        assert (front.minimum_deadline_ms(asked.model) or 0.0) > 500
        world.clock.spend(10.0)
        world.pools["one"].refuse_with(DeadlineInfeasible("too short", 3.25))
        with pytest.raises(DeadlineInfeasible):
            await front.submit(asked, world.clock.now() + 0.1).answer()
        assert front.minimum_deadline_ms(asked.model) == pytest.approx(3.25 + 1000 * WAY_SEED_S)


async def test_who_is_not_taken_in_a_quarter_of_its_time_is_sent_elsewhere() -> None:
    world = World()
    world.deaf.add("one")
    async with fleet(world) as front:
        ticket = front.submit(generation(world), world.clock.now() + 0.8)
        await until(lambda: world.asked == ["one"])
        world.replicas = {name: world.replicas[name] for name in ("two", "one")}  # as a router would by now
        world.clock.spend(0.19)
        await until(lambda reads=world.clock.reads: world.clock.reads > reads + 1)  # type: ignore[misc]
        assert world.asked == ["one"]
        world.clock.spend(0.02)
        assert await ticket.answer() is not None
        assert world.asked == ["one", "two"]
        assert ticket.losses == 0


async def test_a_silent_replica_is_given_up_and_avoided() -> None:
    world = World()
    world.pools["one"].keep()
    async with fleet(world) as front:
        ticket = front.submit(generation(world), world.clock.now() + 60.0)
        first = await taken(world, "one", ticket)
        world.deaf.add("one")
        while not first.cancelled:
            world.clock.spend(SILENT_S / 2)
            await until(lambda reads=world.clock.reads: world.clock.reads > reads)  # type: ignore[misc]
        assert await ticket.answer() is not None
        assert world.asked == ["one", "two"]
        assert await front.submit(generation(world), world.clock.now() + 60.0).answer() is not None
        assert world.asked == ["one", "two", "two"]


async def test_a_refusal_is_tried_once_elsewhere_if_there_is_another() -> None:
    world = World()
    world.pools["one"].refuse_with(Overloaded("full"))
    async with fleet(world) as front:
        with pytest.raises(Overloaded, match="full"):  # nobody has met "two" yet
            await front.submit(generation(world), world.clock.now() + 1.0).answer()
        world.replicas = {name: world.replicas[name] for name in ("two", "one")}
        assert await front.submit(generation(world), world.clock.now() + 1.0).answer() is not None
        world.replicas = {name: world.replicas[name] for name in ("one", "two")}
        assert await front.submit(generation(world), world.clock.now() + 1.0).answer() is not None
        world.pools["two"].refuse_with(Overloaded("full as well"))
        with pytest.raises(Overloaded, match="full as well"):
            await front.submit(generation(world), world.clock.now() + 1.0).answer()
    assert world.asked == ["one", "two", "one", "two", "one", "two"]


@pytest.mark.parametrize("error", [ServiceError("it failed"), WorkerLost("gone"), Draining("going")])
async def test_errors_are_the_replicas(error: ServiceError) -> None:
    world = World(("one",))
    world.pools["one"].refuse_with(error)
    async with fleet(world) as front:
        with pytest.raises(type(error), match=error.detail):
            await front.submit(generation(world), world.clock.now() + 1.0).answer()


async def test_the_smallest_deadline_that_would_do_is_that_of_the_front() -> None:
    """It lacks 12.5 ms and has 10 less what the way back costs; and the way there took 2."""
    world = World(("one",))
    world.way_s = 0.002
    world.pools["one"].refuse_with(DeadlineInfeasible("too short", 12.5))
    async with fleet(world) as front:
        with pytest.raises(DeadlineInfeasible, match=r"fits into 10\.0 ms") as raised:
            await front.submit(generation(world), world.clock.now() + 0.01).answer()
    assert raised.value.extra["minimum_deadline_ms"] == pytest.approx(12.5 + 1000 * WAY_SEED_S + 2)


async def test_a_picture_does_not_get_worse_when_its_replica_is_lost() -> None:
    world = World()
    world.pools["one"].keep()
    world.pools["two"].keep()
    async with fleet(world) as front:
        ticket = front.submit(generation(world, preview_ms=1.0), world.clock.now() + 1.0)
        said = aiter(ticket)
        (await only(world, "one")).tell(preview(3))
        first = await anext(said)
        assert isinstance(first, messages.Preview)
        assert len(first.output.codes) == 3
        world.lose("one")
        second = await taken(world, "two", ticket)
        second.tell(preview(2))
        second.tell(result(second))
        assert [type(each) async for each in said] == [messages.Result]


async def test_stop_and_extend_reach_the_replica() -> None:
    world = World()
    world.pools["one"].keep()
    async with fleet(world) as front:
        ticket = front.submit(generation(world), world.clock.now() + 1.0)
        first = await taken(world, "one", ticket)
        later = world.clock.now() + 3.0
        ticket.extend(later)
        await until(lambda: first.deadline == pytest.approx(later - WAY_SEED_S))
        ticket.stop()
        answer = await ticket.answer()
        assert answer is not None
        assert answer.outputs[0].stop_reason == "client_stop"


async def test_what_was_wanted_before_a_replica_had_the_request_is_told_it_then() -> None:
    world = World()
    world.pools["one"].keep()
    async with fleet(world) as front:
        ticket = front.submit(generation(world), world.clock.now() + 1.0)
        ticket.stop()
        answer = await ticket.answer()
        assert answer is not None
        assert answer.outputs[0].stop_reason == "client_stop"


async def test_a_cancelled_request_is_taken_back_from_its_replica() -> None:
    world = World()
    world.pools["one"].keep()
    async with fleet(world) as front:
        ticket = front.submit(generation(world), world.clock.now() + 1.0)
        first = await taken(world, "one", ticket)
        ticket.cancel()
        assert await ticket.answer() is None
        await until(lambda: first.cancelled)
        assert front.running == 0


async def test_closing_waits_for_what_runs_and_takes_no_more() -> None:
    world = World()
    world.pools["one"].keep()
    async with fleet(world, shutdown_timeout=0.05) as front:
        before = front.ready
        ticket = front.submit(generation(world), world.clock.now() + 1.0)
        await only(world, "one")
        await front.close()
        assert (before, front.ready) == (True, False)
        with pytest.raises(Draining):
            await ticket.answer()
        with pytest.raises(Draining):
            front.submit(generation(world), world.clock.now() + 1.0)


async def test_models_are_those_that_replicas_answer_for() -> None:
    world = World()
    changes = []
    async with fleet(world) as front:
        front.on_change(lambda: changes.append(list(front.manifests)))
        assert list(front.manifests) == ["tiny"]
        assert [each.model for each in front.bundles] == ["tiny@1"]
        world.pools["one"].manifests = Catalogue([manifest("tiny"), manifest("other")], {"prod": "other"})
        await until(lambda: bool(changes))
        assert changes == [["tiny", "other"]]
        assert front.manifests.aliases == {"prod": "other@1"}
        assert {each.identity for each in front.manifests.values()} == {
            each.identity for each in world.pools["one"].manifests.values()
        }


async def test_a_model_that_a_replica_does_not_have_is_not_its_to_answer() -> None:
    world = World(("one",))
    async with fleet(world) as front:
        with pytest.raises(ServiceError, match="being replaced"):
            await front.submit(generation(world, model="tiny@2#0"), world.clock.now() + 1.0).answer()


async def test_it_does_not_start_without_a_replica() -> None:
    world = World()
    world.broken = True
    with pytest.raises(WorkerStartError, match=r"no replica was ready after 0\.05 s"):
        async with fleet(world, start_timeout=0.05):
            pass


async def test_what_cannot_be_carried_at_all_is_an_internal_error(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    async with fleet(world) as front:
        world.replicas["one"].run = lambda _call: 1 / 0  # type: ignore[assignment, method-assign, return-value]
        with pytest.raises(ServiceError, match="could not be passed on"):
            await front.submit(generation(world), world.clock.now() + 1.0).answer()
    assert "ZeroDivisionError" in caplog.text
