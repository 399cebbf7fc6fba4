"""The scheduler under random arrivals, deadlines, costs, cancels, stops and extensions, on a clock moved by hand."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scheduler_world import KIND, QUALITY, World, costs_of, job

from service.outcomes import StopReason
from service.scheduler import HIGHEST, LOWEST, NORMAL, Costs, Job, Plan, plan, urgency
from service.scheduler.timetable import MOMENT_S, floors_within_reach, late_jobs, pressing, step_cost

SLOTS = 8

seconds = st.floats(1e-4, 5e-3) | st.floats(1e-5, 1e-4)  # the quicker ones draw several codes upon one decision


@st.composite
def some_costs(draw: st.DrawFn, *, flat: bool = False) -> Costs:
    """Anything between a device that likes batches and one that does not."""
    step, decode, encode = draw(seconds), draw(seconds), draw(st.floats(1e-5, 1e-3))
    step_slope = 0.0 if flat else draw(st.floats(0.0, 1.0))
    decode_slope = 0.0 if flat else draw(st.floats(0.0, 1.0))
    return costs_of(
        lambda batch: step * (1 + step_slope * (batch - 1)),
        lambda batch: decode * (1 + decode_slope * (batch - 1)),
        encode,
        repeat=draw(st.floats(0.1, 1.0)),
    )


@st.composite
def some_jobs(draw: st.DrawFn, *, most: int = 12, at_once: bool = False) -> list[Job]:
    """Requests of one to four samples each."""
    jobs: list[Job] = []
    for request in range(draw(st.integers(1, most))):
        arrival = 0.0 if at_once else draw(st.floats(0.0, 0.2))
        deadline = arrival + draw(st.floats(0.0, 0.3))
        max_codes = draw(st.integers(1, 16))
        min_codes = draw(st.integers(1, max_codes))
        every = draw(st.one_of(st.none(), st.floats(0.0, 0.05)))
        given_codes = draw(st.just(0) | st.integers(0, max_codes))
        target_codes = draw(st.none() | st.integers(1, 16))
        priority = draw(st.sampled_from([HIGHEST, NORMAL, LOWEST]))
        jobs += [
            job(
                f"r{request}",
                deadline,
                index=index,
                arrival=arrival,
                min_codes=min_codes,
                max_codes=max_codes,
                target_codes=target_codes,
                priority=priority,
                preview_every=every,
                position=given_codes,
                unread=given_codes,
            )
            for index in range(draw(st.integers(1, 4)))
        ]
    return jobs


@st.composite
def some_world(draw: st.DrawFn) -> World:
    """Jobs that come, are stopped and are cancelled; operations take as long as recorded, or up to three times that."""
    jobs = draw(some_jobs())
    world = World(draw(some_costs()), SLOTS, list(jobs))
    for each in draw(st.lists(st.sampled_from(jobs), max_size=5)):
        world.events.append((draw(st.floats(0.0, 0.4)), _cancel(each)))
    for each in draw(st.lists(st.sampled_from(jobs), max_size=5)):
        reason = draw(st.sampled_from([StopReason.CLIENT_STOP, StopReason.DRAIN]))
        world.events.append((draw(st.floats(0.0, 0.4)), _stop(each, reason)))
    for each in draw(st.lists(st.sampled_from(jobs), max_size=5)):
        world.events.append((draw(st.floats(0.0, 0.4)), _extend(each, draw(st.floats(0.0, 0.3)))))
    noise = random.Random(draw(st.integers(0, 2**32)))
    slowest = draw(st.sampled_from([1.0, 1.0, 3.0]))
    world.pace = lambda: noise.uniform(0.3, slowest)
    return world


def _cancel(each: Job) -> Callable[[World], None]:
    return lambda world: world.cancel(each)


def _extend(each: Job, seconds: float) -> Callable[[World], None]:
    def extend(_world: World) -> None:
        each.deadline += seconds

    return extend


def _stop(each: Job, reason: StopReason) -> Callable[[World], None]:
    def stop(_world: World) -> None:
        each.stop = each.stop or reason

    return stop


common = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@common
@given(some_world())
def test_every_job_ends_exactly_once_and_never_empty(world: World) -> None:
    everybody = list(world.arrivals)
    ended = world.run()
    assert sorted(id(each.job) for each in ended) == sorted(map(id, everybody))
    for each in ended:
        assert each.codes >= 1 or each.reason is None


@common
@given(some_world())
def test_reasons_are_true(world: World) -> None:
    for each in world.run():
        match each.reason:
            case StopReason.COMPLETE:
                assert each.codes == each.job.max_codes
            case StopReason.SHED:
                assert each.job.min_codes <= each.codes < each.job.max_codes or each.job.stop
            case StopReason.CLIENT_STOP | StopReason.DRAIN:
                assert each.job.stop == each.reason
            case StopReason.DEADLINE:
                assert each.codes < each.job.max_codes


@common
@given(some_world())
def test_nobody_who_has_a_code_is_stepped_after_the_latest_start_of_the_decode(world: World) -> None:
    def watch(world: World, chosen: Plan) -> None:
        costs = world.costs
        after = world.now + step_cost(chosen.step, costs, chosen.codes)
        for each in chosen.step:
            if each.position:
                assert after + costs.decode(1) + costs.encode(KIND) <= each.deadline + 1e-12

    world.watch = watch
    world.run()


@common
@given(some_world())
def test_a_plan_is_a_function_of_its_arguments(world: World) -> None:
    def watch(world: World, chosen: Plan) -> None:
        shuffled = [copy.copy(each) for each in world.present]
        random.Random(0).shuffle(shuffled)
        again = plan(world.now, shuffled, world.costs, QUALITY, SLOTS)
        assert _named(again) == _named(chosen)

    world.watch = watch
    world.run()


def _named(chosen: Plan) -> object:
    return (
        [(_name(ending.job), ending.reason) for ending in chosen.decode],
        [_name(each) for each in chosen.preview],
        [(_name(entry.job), entry.slot) for entry in chosen.enter],
        [_name(each) for each in chosen.step],
        chosen.codes,
    )


def _name(each: Job) -> tuple[str, int]:
    return each.request, each.index


@common
@given(some_costs(flat=True), some_jobs(at_once=True), st.integers(0, 2**32))
def test_where_batches_are_free_everyone_who_can_be_served_is_on_time_and_keeps_the_floor(
    costs: Costs, jobs: list[Job], seed: int
) -> None:
    """However many they are: the table has 8 slots, and whoever waits gets room in time."""
    _check_promises(costs, _feasible(jobs, costs, start=0.0), seed)


@common
@given(some_costs(), some_jobs(at_once=True), st.integers(0, 2**32))
def test_where_batches_cost_everyone_who_could_bear_a_full_step_first_is_on_time(
    costs: Costs, jobs: list[Job], seed: int
) -> None:
    jobs = _feasible(jobs[:SLOTS], costs, start=costs.step(SLOTS))
    for each in jobs:
        each.min_codes = 1
    _check_promises(costs, jobs, seed)


def _feasible(jobs: list[Job], costs: Costs, start: float) -> list[Job]:
    """The jobs without those for whom there is no time; what is left uses it up."""
    jobs = sorted(jobs, key=urgency)
    while late := list(late_jobs(start, jobs, costs, floors_within_reach(start, jobs, costs))):
        jobs = [each for each in jobs if each not in late]
    return jobs


def _check_promises(costs: Costs, jobs: list[Job], seed: int) -> None:
    """Operations take at most as long as recorded, often less."""
    floors = floors_within_reach(0.0, jobs, costs)
    noise = random.Random(seed)
    world = World(costs, SLOTS, list(jobs), pace=lambda: noise.uniform(0.3, 1.0))
    for each in world.run():
        assert each.at <= each.job.deadline + 1e-12
        assert each.codes >= floors.get(each.job, 1)


@common
@given(some_costs(), some_jobs(most=20), st.integers(0, 8), st.floats(0.0, 0.2))
def test_who_is_left_out_of_a_decision_is_on_time_whatever_it_is(
    costs: Costs, jobs: list[Job], running: int, now: float
) -> None:
    for slot, each in enumerate(jobs[:running]):
        each.slot = slot
    looked_at = pressing(now, jobs, costs, SLOTS)
    assert all(each in looked_at for each in jobs[:running])
    waiting = sorted((each for each in jobs[running:]), key=urgency)
    assert all(each in looked_at for each in waiting[:SLOTS])
    left_out = [each for each in jobs if each not in looked_at]
    everybody = sorted(jobs, key=urgency)
    floors = {each: each.floor for each in jobs}
    longest = max(costs.step(SLOTS) + MOMENT_S, costs.finish(each.encoding for each in jobs[:running]))
    assert not set(left_out) & set(late_jobs(now + longest, everybody, costs, floors))
