"""The scheduler's decisions, one by one."""

from __future__ import annotations

from scheduler_world import KIND, QUALITY, World, costs_of, job

from service.outcomes import StopReason
from service.scheduler import HIGHEST, LOWEST, Costs, Plan, plan, urgency

STEP, DECODE, ENCODE = 0.001, 0.002, 0.0005
ALONE = DECODE + ENCODE


def flat() -> Costs:
    return costs_of(lambda _: STEP, lambda _: DECODE, ENCODE)


def steep() -> Costs:
    """A device on which a batch of n takes n times as long."""
    return costs_of(lambda batch: STEP * batch, lambda batch: DECODE * batch, ENCODE)


def test_nothing_to_do() -> None:
    assert plan(0.0, [], flat(), QUALITY, 4) == Plan()


def test_waiting_jobs_enter_free_slots_in_deadline_order_and_step_at_once() -> None:
    late, soon, soonest = job("late", 3.0), job("soon", 2.0), job("soonest", 1.0)
    running = job("running", 9.0, slot=1, position=4)
    chosen = plan(0.0, [late, running, soon, soonest], flat(), QUALITY, 3)
    assert [(entry.job, entry.slot) for entry in chosen.enter] == [(soonest, 0), (soon, 2)]
    assert set(chosen.step) == {soonest, soon, running}


def test_a_job_is_decoded_when_one_more_step_would_make_it_late_and_not_before() -> None:
    running = job("a", 1.0, slot=0, position=3)
    just_in_time = 1.0 - ALONE - STEP
    assert plan(just_in_time - 1e-6, [running], flat(), QUALITY, 1).step == (running,)
    (ending,) = plan(just_in_time + 1e-6, [running], flat(), QUALITY, 1).decode
    assert ending == (running, StopReason.DEADLINE)


def test_jobs_whose_latest_starts_fall_together_decode_together() -> None:
    jobs = [job(f"{index}", 1.0, slot=index, position=3) for index in range(4)]
    chosen = plan(1.0 - DECODE - 4 * ENCODE - STEP / 2, jobs, flat(), QUALITY, 4)
    assert len(chosen.decode) == 4


def test_a_job_that_could_not_bear_the_decodes_of_the_others_joins_them() -> None:
    """Its own step would fit, but not after the decode that others need now."""
    due = job("due", 0.1, slot=0, position=3)
    near = job("near", 0.1 + ALONE, slot=1, position=3)
    far = job("far", 1.0, slot=2, position=3)
    chosen = plan(0.1 - ALONE - STEP / 2, [due, near, far], flat(), QUALITY, 4)
    assert [ending.job for ending in chosen.decode] == [due, near]


def test_where_many_wait_a_decode_is_joined_by_who_owes_nothing_and_by_who_is_late() -> None:
    due, far = job("due", 0.1, slot=0, position=3), job("far", 1.0, slot=1, position=3)
    new, late = job("new", 1.0, slot=2), job("late", 0.095, slot=3, position=3)
    now = 0.1 - ALONE - STEP / 2
    queue = [job(f"{index}", 0.13) for index in range(8)]
    for waiting, together in ((queue[:2], {due}), (queue, {due, far, late})):
        chosen = plan(now, [due, far, new, late, *waiting], flat(), QUALITY, 4)
        assert {ending.job for ending in chosen.decode} == together


def test_a_decode_is_not_joined_by_whom_it_would_make_the_others_late_for() -> None:
    first = job("first", 0.1, slot=0, position=3)
    others = [job(f"{index}", 0.1 + 8 * DECODE, slot=1 + index, position=3) for index in range(3)]
    chosen = plan(0.1 - ALONE, [first, *others], steep(), QUALITY, 4)
    assert [ending.job for ending in chosen.decode] == [first]


def test_ends_by_themselves() -> None:
    complete = job("complete", 9.0, slot=0, position=5, max_codes=5)
    stopped = job("stopped", 9.0, slot=1, position=2, min_codes=4, stop=StopReason.CLIENT_STOP)
    drained = job("drained", 9.0, slot=2, position=1, stop=StopReason.DRAIN)
    too_soon = job("too soon", 9.0, slot=3, position=0, stop=StopReason.DRAIN)
    chosen = plan(0.0, [complete, stopped, drained, too_soon], flat(), QUALITY, 4)
    assert {(ending.job.request, ending.reason) for ending in chosen.decode} == {
        ("complete", StopReason.COMPLETE),
        ("stopped", StopReason.CLIENT_STOP),
        ("drained", StopReason.DRAIN),
    }


def test_results_wait_if_they_would_make_somebody_late() -> None:
    complete = job("complete", 9.0, slot=0, position=16)
    hurried = job("hurried", 0.01, slot=1, position=0)
    now = 0.01 - ALONE - STEP
    chosen = plan(now, [complete, hurried], flat(), QUALITY, 2)
    assert chosen.step == (hurried,)


def test_a_job_below_its_floor_catches_up_without_the_others_where_a_small_batch_is_quicker() -> None:
    hurried = job("hurried", 0.008, min_codes=3)
    others = [job(f"{index}", 1.0, slot=index, position=2) for index in range(7)]
    world = World(steep(), 8, [hurried, *others])
    ended = {each.job.request: each for each in world.run()}
    assert ended["hurried"].codes >= 3
    assert ended["hurried"].at <= 0.008
    assert all(ended[f"{index}"].reason is StopReason.COMPLETE for index in range(7))


def test_on_time_goes_before_a_floor_out_of_reach() -> None:
    (ended,) = World(flat(), 1, [job("a", 0.0075, min_codes=16)]).run()
    assert (ended.reason, ended.codes) == (StopReason.DEADLINE, 5)
    assert ended.at <= 0.0075


def test_too_late_for_anything_is_still_not_empty() -> None:
    (ended,) = World(flat(), 1, [job("a", 0.0001)]).run()
    assert ended.codes == 1


def test_who_is_late_anyway_gives_way_to_who_can_be_on_time() -> None:
    lost, saved = job("lost", 0.0), job("saved", 0.004)
    ended = World(flat(), 1, [lost, saved]).run()
    assert [each.job for each in ended] == [saved, lost]
    assert ended[0].at <= 0.004


def test_shed_takes_the_least_valuable_next_code_and_only_as_late_as_possible() -> None:
    far = job("far", 9.0, slot=0, position=10)
    farther = job("farther", 9.0, slot=1, position=4)
    waiting = job("waiting", 1.0)
    last_moment = 1.0 - (STEP + ALONE) - (ALONE + STEP)  # its floor and end, after a decode to make room and a step
    assert not plan(last_moment - 1e-6, [far, farther, waiting], flat(), QUALITY, 2).decode
    (ending,) = plan(last_moment + 1e-6, [far, farther, waiting], flat(), QUALITY, 2).decode
    assert ending == (far, StopReason.SHED)


def test_shed_takes_who_has_enough_or_is_of_lower_priority_first() -> None:
    def shed(**fields: int) -> str:
        others = [job(name, 9.0, slot=slot, position=4) for slot, name in enumerate("ab")]
        jobs = [*others, job("c", 9.0, slot=2, position=4, **fields), job("waiting", STEP + ALONE)]
        (ending,) = plan(0.0, jobs, flat(), QUALITY, 3).decode
        return ending.job.request

    assert shed() == "a"
    assert shed(priority=LOWEST) == shed(target_codes=4) == "c"
    assert shed(priority=HIGHEST) == shed(target_codes=5) == "a"


def test_of_those_who_cannot_all_step_the_higher_priority_does() -> None:
    """Eight steps in a row take longer than everybody has, and half of them do not."""
    jobs = [job(f"{n}", 0.2, slot=n, position=4, priority=HIGHEST if n % 2 else LOWEST) for n in range(8)]
    chosen = plan(0.0, jobs, steep(), QUALITY, 8)
    assert chosen.step
    assert {each.priority for each in chosen.step} == {HIGHEST}


def test_nobody_below_the_floor_is_shed() -> None:
    running = job("running", 9.0, slot=0, position=2, min_codes=3)
    waiting = job("waiting", 0.006)
    assert plan(0.0, [running, waiting], flat(), QUALITY, 1).step == (running,)


def test_nobody_is_shed_for_a_job_that_is_late_anyway() -> None:
    running = job("running", 9.0, slot=0, position=2)
    assert plan(1.0, [running, job("lost", 0.5)], flat(), QUALITY, 1).step == (running,)


def test_a_preview_is_made_when_due_and_there_is_something_new() -> None:
    shown = job("a", 9.0, slot=0, position=3, preview_every=0.1, preview_at=1.0, previewed=2)
    assert not plan(0.9, [shown], flat(), QUALITY, 1).preview
    assert plan(1.0, [shown], flat(), QUALITY, 1).preview == (shown,)
    shown.previewed = 3
    assert not plan(1.0, [shown], flat(), QUALITY, 1).preview


def test_a_preview_that_would_make_somebody_late_is_not_made() -> None:
    shown = job("a", 9.0, slot=0, position=3, preview_every=0.0)
    hurried = job("b", 0.1, slot=1, position=3)
    now = 0.1 - ALONE - STEP - ALONE / 2
    chosen = plan(now, [shown, hurried], flat(), QUALITY, 2)
    assert (chosen.preview, set(chosen.step)) == ((), {shown, hurried})
    assert plan(now, [shown], flat(), QUALITY, 2).preview == (shown,)


def test_other_models_turns_are_kept_back() -> None:
    running = job("a", 1.0, slot=0, position=3)
    now = 1.0 - ALONE - 3 * STEP
    assert plan(now, [running], flat(), QUALITY, 1).step
    assert plan(now, [running], flat(), QUALITY, 1, others=0.01).decode


def test_urgency_is_a_strict_order() -> None:
    jobs = [job("b", 1.0, arrival=0.5), job("a", 1.0, arrival=0.5, index=1), job("a", 1.0, arrival=0.5), job("z", 1.0)]
    assert [(each.request, each.index) for each in sorted(jobs, key=urgency)] == [
        ("z", 0),
        ("a", 0),
        ("a", 1),
        ("b", 0),
    ]
    assert jobs[0].encoding == KIND


def test_who_is_late_gives_way_but_not_for_ever() -> None:
    """A crowd that can just be kept on time comes without end; one that is late already waits for as long as it had."""
    costs = costs_of(lambda _: 0.001, lambda _: 0.001, 0.0005)
    crowd = [job(f"c{n}", 0.0007 * n + 0.04, arrival=0.0007 * n) for n in range(3000)]
    late = job("late", 0.02, arrival=-1.0, min_codes=16)
    late.deadline = -0.98
    world = World(costs, 8, [late, *crowd])
    ended = {each.job.request: each for each in world.run()}
    assert ended["late"].at < 0.2
    assert len(ended) == 3001


def test_who_is_late_comes_after_those_who_can_be_on_time_as_long_as_it_is_not_overdue() -> None:
    costs = costs_of(lambda _: 0.001, lambda _: 0.001, 0.0005)
    hopeless, hopeful = job("late", 0.001), job("other", 0.1)
    assert [entry.job for entry in plan(0.0, [hopeless, hopeful], costs, QUALITY, 1).enter] == [hopeful]
    assert [entry.job for entry in plan(0.003, [hopeless, hopeful], costs, QUALITY, 1).enter] == [hopeless]


def test_the_overdue_go_together_and_not_one_by_one() -> None:
    overdue = [job(f"late {n}", 0.01, slot=n, position=1) for n in range(4)]
    torn = job("torn", 0.1 + ALONE + STEP, slot=4, position=0)
    chosen = plan(0.1, [*overdue, torn], flat(), QUALITY, 8)
    assert [ending.job for ending in chosen.decode] == overdue


def test_few_are_given_up_for_many_whom_they_would_hold_up() -> None:
    """Served first, the one that cannot wait for a batch makes all the others late."""
    hurried = job("hurried", ALONE, slot=0, position=1)
    others = [job(f"{n}", DECODE + 7 * ENCODE + 1e-6, slot=1 + n, position=1) for n in range(7)]
    ended = {each.job.request: each for each in World(flat(), 8, [hurried, *others]).run()}
    assert sum(each.at > each.job.deadline for each in ended.values()) == 1


def quick() -> Costs:
    """A step takes less than a decision: 0.1 ms with it, 0.05 ms for each further code."""
    return costs_of(lambda _: 1e-4, lambda _: 2e-4, 1e-4, repeat=0.5)


def test_where_a_step_takes_less_than_a_decision_several_codes_are_drawn_upon_one() -> None:
    running = job("a", 1.0, slot=0, position=2)
    assert plan(0.0, [running], quick(), QUALITY, 4).codes == 11  # one, and what half a millisecond holds
    assert plan(0.0, [running], flat(), QUALITY, 4).codes == 1


def test_as_many_are_drawn_upon_one_decision_as_the_stage_that_they_are_in_allows() -> None:
    """Though others are dearer, and what is planned beyond is the dearest; and no more than everyone can bear."""
    costs = Costs((1, 2), stages=(0, 4))
    for batch in (1, 2):
        costs.steps.observe(batch, 1e-4)
        costs.repeats.observe(batch, 2.5e-4, 0)
        costs.repeats.observe(batch, 5e-5, 1)
        costs.decodes.observe(batch, 2e-4)
    costs.encodes.observe(KIND, 1e-4)
    for position, codes in ((1, 3), (4, 11)):
        assert plan(0.0, [job("a", 1.0, slot=0, position=position)], costs, QUALITY, 4).codes == codes
    assert plan(0.0, [job("a", 1.0, slot=0, position=3)], costs, QUALITY, 4).codes == 1  # where the next begins
    cheap, dear = (job(f"{at}", 1.0, slot=at, position=at) for at in (5, 1))
    assert plan(0.0, [cheap, dear], costs, QUALITY, 8).codes == 3
    hurried = job("hurried", 1e-4 + 4.5 * 5e-5 + 3e-4, slot=0, position=4)
    assert plan(0.0, [hurried], costs, QUALITY, 4).codes == 5


def test_a_step_that_takes_longer_but_once_is_borne_before_it_is_taken() -> None:
    """The first code of the second stage: whoever has no time for it is sent without."""
    costs = Costs((1,), stages=(0, 3, 4))
    for stage, seconds in enumerate((1e-4, 3e-3, 1e-4)):
        costs.steps.observe(1, seconds, stage)
        costs.repeats.observe(1, 5e-5, stage)
        costs.decodes.observe(1, 2e-4, stage)
    costs.encodes.observe(KIND, 1e-4)
    for position, deadline, goes_on in ((2, 1e-3, True), (3, 1e-3, False), (3, 4e-3, True), (4, 1e-3, True)):
        chosen = plan(0.0, [job("a", deadline, slot=0, position=position)], costs, QUALITY, 1)
        assert bool(chosen.step) == goes_on
        assert bool(chosen.decode) != goes_on


def test_nobody_draws_codes_at_once_that_are_worth_less_or_that_it_must_not_have() -> None:
    far = job("far", 1.0, slot=0, position=2)
    for fields, codes in (({"max_codes": 5}, 3), ({"target_codes": 6}, 4), ({"target_codes": 2}, 11)):
        near = job("near", 1.0, slot=1, position=2, **fields)
        assert plan(0.0, [far, near], quick(), QUALITY, 4).codes == codes


def test_codes_are_drawn_at_once_only_as_far_as_everyone_can_bear_it() -> None:
    hurried = job("hurried", 1e-4 + 4.5 * 5e-5 + 3e-4, slot=0, position=2)
    assert plan(0.0, [hurried], quick(), QUALITY, 4).codes == 5
    waiting = job("waiting", 2e-4 + 2 * 5e-5 + 3e-4, min_codes=1)
    assert plan(0.0, [job("patient", 1.0, slot=0, position=2), waiting], quick(), QUALITY, 1).codes <= 2


def test_a_preview_that_falls_due_is_not_overslept() -> None:
    watched = job("watched", 1.0, slot=0, position=2, previewed=2, preview_every=1e-3, preview_at=3.2e-4)
    assert plan(0.0, [watched], quick(), QUALITY, 4).codes == 5
    assert plan(3e-4, [watched], quick(), QUALITY, 4).codes == 1
