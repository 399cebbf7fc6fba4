"""How workers are replaced when the bundles change, with processes that are only pretended."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from bundle_folder import alias, put, remove
from fake_processes import Stage, settled, stage
from live_server import until
from toy_hierarchy import toy_values

from models.bundle.manifest import PRIOR
from service import messages
from service.errors import Draining, WorkerLost
from service.outcomes import Loss
from service.pool import Ticket
from service.pool.child import WorkerDied, WorkerNotReady
from training.hierarchical.recipe import HierarchicalRecipe
from training.random_bundle import write_random_bundle


@pytest.fixture
def folder(tmp_path: Path, tiny_bundle: Path) -> Path:
    (tmp_path / "bundles").mkdir()
    put(tiny_bundle, tmp_path / "bundles", "m", name="m")
    return tmp_path / "bundles"


@pytest.fixture
async def one(monkeypatch: pytest.MonkeyPatch, folder: Path) -> AsyncIterator[Stage]:
    """One worker."""
    async with stage(monkeypatch, folder) as built:
        yield built


@pytest.fixture
async def three(monkeypatch: pytest.MonkeyPatch, folder: Path) -> AsyncIterator[Stage]:
    """Three workers."""
    async with stage(monkeypatch, folder, workers=3) as built:
        yield built


async def ending(ticket: Ticket) -> object:
    try:
        return await ticket.answer()
    except Exception as error:
        return error


async def test_another_process_takes_over_and_the_old_one_ends_what_it_has(
    one: Stage, folder: Path, tiny_bundle: Path
) -> None:
    old = one.started[0]
    assert old.strict
    ticket = one.submit("m")
    put(tiny_bundle, folder, "m-2", name="m", version="2")
    one.pool.rescan()
    new = await one.number(2)
    assert (new.aside, new.strict) == (True, False)
    during = one.submit("m")
    assert one.served == ["m@1"]
    assert [each.id for each in old.got(messages.Submit)] == [ticket.id, during.id]
    new.become_ready()
    await settled()
    assert one.served == ["m@1", "m@2"]
    assert one.pool.ready
    for name in ("m", "m@1", "m@2"):
        after = one.submit(name)
        assert new.got(messages.Submit)[-1].id == after.id
    assert len(old.got(messages.Submit)) == 2
    assert old.alive
    for each in (ticket, during):
        old.answer(each)
        assert isinstance(await each.answer(), messages.Result)
    await until(lambda: not old.alive)
    assert one.observer.replacements == [True]
    assert one.observer.up == {0: True}
    assert one.observer.restarts == 0
    assert not old.got(messages.Drain)


@pytest.mark.parametrize("beside", [True, False])
async def test_nobody_waits_for_a_hierarchy_that_starts_beside_others(
    monkeypatch: pytest.MonkeyPatch, folder: Path, beside: bool
) -> None:
    write_random_bundle(folder / "slow", HierarchicalRecipe.model_validate(toy_values()), 0)
    if not beside:
        shutil.rmtree(folder / "m")
    async with stage(monkeypatch, folder) as built:
        loaded = [[path.name for path in process.bundles] for process in built.started]
        if beside:
            assert loaded[0] == ["m"]
            (await built.number(2)).become_ready()
            await until(lambda: built.served == ["m@1", "toy-hierarchy@untrained"])
        else:
            assert loaded == [["slow"]]


async def test_what_only_the_old_one_has_stays_with_it(one: Stage, folder: Path, tiny_bundle: Path) -> None:
    old = one.started[0]
    ticket = one.submit("m@1")
    put(tiny_bundle, folder, "m", name="m", version="2")
    one.pool.rescan()
    new = await one.number(2)
    new.become_ready()
    await settled()
    assert one.served == ["m@2"]
    assert one.state("m@1") == "unloading"
    ticket.extend(ticket.deadline + 60)
    assert old.got(messages.Extend)
    new.report(7, next(iter(one.pool.manifests.values())).identity)
    old.report(1, ticket.generation.model)
    assert one.observer.retiring == 1
    assert old.alive
    old.answer(ticket)
    await until(lambda: not old.alive)
    assert one.state("m@1") is None


async def test_a_retiring_worker_that_dies_leaves_what_others_have_to_them(
    one: Stage, folder: Path, tiny_bundle: Path
) -> None:
    old = one.started[0]
    put(tiny_bundle, folder, "other", name="other")
    one.pool.rescan()
    ticket = one.submit("m")
    new = await one.number(2)
    new.become_ready()
    await settled()
    old.kill()
    await until(lambda: bool(new.got(messages.Submit)))
    assert ticket.losses == 1
    new.answer(ticket)
    assert isinstance(await ticket.answer(), messages.Result)
    await settled()
    assert len(one.started) == 2
    assert one.observer.up == {0: True}


async def test_a_retiring_worker_that_dies_ends_what_nobody_else_has_at_once(
    one: Stage, folder: Path, tiny_bundle: Path
) -> None:
    ticket = one.submit("m")
    put(tiny_bundle, folder, "m", name="m", version="2")
    one.pool.rescan()
    (await one.number(2)).become_ready()
    await settled()
    one.started[0].kill()
    assert isinstance(await ending(ticket), WorkerLost)
    assert one.pool.running == 0


async def test_workers_are_replaced_one_after_another_and_what_is_new_comes_when_all_have_it(
    three: Stage, folder: Path, tiny_bundle: Path
) -> None:
    put(tiny_bundle, folder, "m-2", name="m", version="2")
    three.pool.rescan()
    for count in (4, 5, 6):
        assert three.served == ["m@1"]
        new = await three.number(count)
        assert len(three.alive) == 4
        new.become_ready()
        await settled()
    assert three.served == ["m@1", "m@2"]
    await until(lambda: len(three.alive) == 3)
    assert three.observer.up == {0: True, 1: True, 2: True}


async def test_what_is_replaced_in_place_changes_over_at_half_of_the_workers(
    three: Stage, folder: Path, tiny_bundle: Path
) -> None:
    put(tiny_bundle, folder, "m", name="m", version="2")
    three.pool.rescan()
    (await three.number(4)).become_ready()
    await until(lambda: len(three.started) == 5)
    assert three.served == ["m@1"]
    ticket = three.submit("m")
    assert not three.started[3].got(messages.Submit)
    three.started[4].become_ready()
    await settled()
    assert three.served == ["m@2"]
    after = three.submit("m")
    assert any(after.id == each.id for process in three.started[3:5] for each in process.got(messages.Submit))
    last = next(each for each in three.started[:3] if each.got(messages.Submit))
    last.answer(ticket)
    (await three.number(6)).become_ready()
    await until(lambda: len(three.alive) == 3)


async def test_a_bundle_that_cannot_be_loaded_leaves_everything_as_it_was(
    one: Stage, folder: Path, tiny_bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = put(tiny_bundle, folder, "m-2", name="m", version="2")
    one.pool.rescan()
    new = await one.number(2)
    new.become_ready(failed={place: f"{place}/{PRIOR}: does not match its SHA-256"})
    await until(lambda: one.state("m@2") == "failed")
    await until(lambda: not new.alive)
    assert (one.served, one.alive) == (["m@1"], one.started[:1])
    (state,) = [each for each in one.pool.bundles if each.model == "m@2"]
    assert state.error == f"{PRIOR}: does not match its SHA-256"
    assert "bundle m-2 cannot be loaded" in caplog.text
    assert one.observer.replacements == [False]
    one.pool.rescan()  # tries again
    (await one.number(3)).become_ready()
    await until(lambda: one.served == ["m@1", "m@2"])


async def test_of_two_new_bundles_the_one_that_can_be_loaded_is(one: Stage, folder: Path, tiny_bundle: Path) -> None:
    bad = put(tiny_bundle, folder, "bad", name="bad")
    put(tiny_bundle, folder, "good", name="good")
    one.pool.rescan()
    (await one.number(2)).become_ready(failed={bad: "no"})
    await until(lambda: one.served == ["good@1", "m@1"])
    await until(lambda: one.alive == one.started[1:])
    assert one.state("bad@1") == "failed"


async def test_a_process_that_dies_while_loading_is_blamed_on_what_is_new(
    one: Stage, folder: Path, tiny_bundle: Path
) -> None:
    put(tiny_bundle, folder, "m-2", name="m", version="2")
    one.pool.rescan()
    (await one.number(2)).fail(WorkerDied("worker 0 exited with status -9 while starting"))
    await settled()
    assert one.state("m@2") == "loading"  # a process can die of something else
    one.pool.rescan()
    (await one.number(3)).fail(WorkerDied("worker 0 exited with status -9 while starting"))
    await until(lambda: one.state("m@2") == "failed")
    assert (one.served, one.alive) == (["m@1"], one.started[:1])
    await settled()
    assert len(one.started) == 3


async def test_a_process_that_cannot_start_is_told_from_one_that_died(one: Stage) -> None:
    one.started[0].kill()
    assert await one.number(2)
    assert one.observer.losses == [Loss.DIED]
    one.started[1].fail(WorkerDied("worker 0 exited with status 1 while starting"))
    await one.number(3)
    assert one.observer.losses == [Loss.DIED, Loss.CANNOT_START]


async def test_what_takes_the_place_of_something_answers_though_its_worker_is_outdated_again(
    one: Stage, folder: Path, tiny_bundle: Path
) -> None:
    put(tiny_bundle, folder, "m", name="m", version="2")
    put(tiny_bundle, folder, "x", name="x")
    one.pool.rescan()
    await one.number(2)
    one.started[0].kill()
    again = await one.number(3)
    put(tiny_bundle, folder, "y", name="y")
    one.pool.rescan()
    await until(lambda: one.state("y@1") == "loading")
    again.become_ready()
    await until(lambda: one.served == ["m@2"])
    ticket = one.submit("m")
    again.answer(ticket)
    assert isinstance(await ending(ticket), messages.Result)
    (await one.number(4)).become_ready()
    await until(lambda: one.served == ["m@2", "x@1", "y@1"])


async def test_what_was_replaced_answers_again_while_nobody_has_what_took_its_place(
    three: Stage, folder: Path, tiny_bundle: Path
) -> None:
    put(tiny_bundle, folder, "m", name="m", version="2")
    three.pool.rescan()
    for count in (4, 5):
        (await three.number(count)).become_ready()
    await until(lambda: three.served == ["m@2"])
    for process in three.started[3:5]:
        process.kill()
    await until(lambda: three.served == ["m@1"])
    ticket = three.submit("m")
    next(each for each in three.alive if each.got(messages.Submit)).answer(ticket)
    assert isinstance(await ending(ticket), messages.Result)
    await until(lambda: len(three.alive) == 4)
    for process in three.started[-2:]:
        process.become_ready()
    await until(lambda: three.served == ["m@2"])


async def test_what_finds_no_time_to_spare_is_started_like_any_worker(
    one: Stage, folder: Path, tiny_bundle: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.pool.crew._AGAIN_S", 0.0)
    put(tiny_bundle, folder, "m-2", name="m", version="2")
    one.pool.rescan()
    for count, aside in ((2, True), (3, False), (4, True), (5, False)):
        new = await one.number(count)
        assert (new.aside, one.state("m@2")) == (aside, "loading")
        new.fail(WorkerNotReady("worker 0 was not ready after 120 s"))
    await until(lambda: one.state("m@2") == "failed")
    assert "too little processor time to spare" in caplog.text
    remove(folder / "m-2")
    put(tiny_bundle, folder, "m-3", name="m", version="3")
    one.pool.rescan()
    await until(lambda: one.started[-1].models == ["m@1", "m@3"])
    assert one.started[-1].aside


async def test_the_last_of_many_changes_wins_and_nothing_is_left_behind(
    one: Stage, folder: Path, tiny_bundle: Path
) -> None:
    for version in range(2, 8):
        put(tiny_bundle, folder, "m", name="m", version=str(version))
        one.pool.rescan()
        await until(lambda: one.started[-1].models == [f"m@{version}"])  # noqa: B023
        await until(lambda: len(one.alive) == 2)
    one.started[-1].become_ready()
    await until(lambda: one.served == ["m@7"])
    await until(lambda: one.alive == one.started[-1:])


async def test_a_removed_model_is_not_there_at_once_and_ends_what_it_has(
    one: Stage, folder: Path, tiny_bundle: Path
) -> None:
    put(tiny_bundle, folder, "other", name="other")
    one.pool.rescan()
    (await one.number(2)).become_ready()
    await until(lambda: one.served == ["m@1", "other@1"])
    ticket = one.submit("other")
    remove(folder / "other")
    one.pool.rescan()
    await until(lambda: one.served == ["m@1"])
    new = await one.number(3)
    assert [path.name for path in new.bundles] == ["m"]
    new.become_ready()
    await settled()
    one.started[1].answer(ticket)
    assert isinstance(await ticket.answer(), messages.Result)
    await until(lambda: one.alive == [new])


async def test_a_worker_that_dies_while_its_successor_loads(one: Stage, folder: Path, tiny_bundle: Path) -> None:
    ticket = one.submit("m")
    put(tiny_bundle, folder, "m-2", name="m", version="2")
    one.pool.rescan()
    new = await one.number(2)
    one.started[0].kill()
    await settled()
    assert not one.pool.ready
    assert one.observer.up == {0: False}
    later = one.submit("m")  # is not refused: another process is expected in time
    new.become_ready()
    await until(lambda: len(new.got(messages.Submit)) == 2)
    for each in (ticket, later):
        new.answer(each)
        assert isinstance(await each.answer(), messages.Result)
    assert one.observer.up == {0: True}
    await until(lambda: one.alive == [new])
    assert one.served == ["m@1", "m@2"]


async def test_a_worker_that_died_comes_back_with_what_is_wanted_and_its_successor_is_not_needed(
    one: Stage, folder: Path, tiny_bundle: Path
) -> None:
    put(tiny_bundle, folder, "m-2", name="m", version="2")
    one.pool.rescan()
    successor = await one.number(2)
    one.started[0].kill()
    again = await one.number(3)
    assert (again.aside, again.strict) == (False, False)
    again.become_ready()
    await until(lambda: one.served == ["m@1", "m@2"])
    successor.become_ready()
    await until(lambda: not successor.alive)
    assert one.alive == [again]


async def test_while_a_bundle_that_answers_is_broken_no_worker_is_replaced(
    one: Stage, folder: Path, tiny_bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = put(tiny_bundle, folder, "m", name="m", files={})
    put(tiny_bundle, folder, "other", name="other")
    one.pool.rescan()
    await until(lambda: one.state("other@1") == "loading")
    await settled()
    assert (one.served, len(one.started)) == (["m@1"], 1)
    assert "no worker is replaced: m@1 answers, but could not be loaded again" in caplog.text
    remove(place)
    one.pool.rescan()
    (await one.number(2)).become_ready()
    await until(lambda: one.served == ["other@1"])


async def test_a_folder_that_cannot_be_seen_changes_nothing(
    one: Stage, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.move(folder, folder.with_name("aside"))
    one.pool.rescan()
    await until(lambda: "the bundles cannot be seen" in caplog.text)
    shutil.copytree(folder.with_name("aside"), folder, ignore=shutil.ignore_patterns("m"))
    one.pool.rescan()
    await until(lambda: "no bundle here" in caplog.text)
    assert (one.served, len(one.started)) == (["m@1"], 1)


async def test_an_alias_needs_no_worker(one: Stage, folder: Path) -> None:
    alias(folder, prod="m@1")
    one.pool.rescan()
    await until(lambda: one.pool.manifests.aliases == {"prod": "m@1"})
    assert one.submit("prod").generation.model == one.submit("m").generation.model
    assert len(one.started) == 1


async def test_shutting_down_ends_a_process_that_is_loading(one: Stage, folder: Path, tiny_bundle: Path) -> None:
    ticket = one.submit("m")
    put(tiny_bundle, folder, "m-2", name="m", version="2")
    one.pool.rescan()
    new = await one.number(2)
    closing = asyncio.create_task(one.pool.close())
    await until(lambda: not new.alive)
    old = one.started[0]
    assert old.alive
    assert old.got(messages.Drain)
    old.answer(ticket)
    await closing
    assert isinstance(await ticket.answer(), messages.Result)
    assert one.alive == []


async def test_shutting_down_ends_the_watch_even_in_the_moment_in_which_its_pause_is_over(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    loop = asyncio.get_running_loop()
    closing: list[asyncio.Task[None]] = []

    def close() -> None:
        closing.append(asyncio.create_task(built.pool.close()))

    def pause(_seconds: float | None) -> asyncio.Timeout:
        if closing:
            return asyncio.timeout(None)
        over = loop.time() + 0.01
        loop.call_at(over, close)
        return asyncio.timeout_at(over + 1e-9)  # in one turn of the event loop, but after that

    async with stage(monkeypatch, folder) as built:
        own = SimpleNamespace(timeout=pause, Event=asyncio.Event, to_thread=asyncio.to_thread)
        monkeypatch.setattr("service.registry.watcher.asyncio", own)
        built.pool.rescan()  # ends the pause that has begun; the next one is ours
        await until(lambda: bool(closing))
        async with asyncio.timeout(5):
            await closing[0]


async def test_shutting_down_drains_the_retiring_and_the_new(one: Stage, folder: Path, tiny_bundle: Path) -> None:
    before = one.submit("m")
    put(tiny_bundle, folder, "m-2", name="m", version="2")
    one.pool.rescan()
    new = await one.number(2)
    new.become_ready()
    await settled()
    after = one.submit("m")
    closing = asyncio.create_task(one.pool.close())
    await settled()
    for process, ticket in ((one.started[0], before), (new, after)):
        assert process.got(messages.Drain)
        process.answer(ticket)
        assert isinstance(await ticket.answer(), messages.Result)
    await closing
    with pytest.raises(Draining):
        one.submit("m")


async def test_the_log_says_what_is_served(
    one: Stage, folder: Path, tiny_bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        put(tiny_bundle, folder, "m-2", name="m", version="2")
        one.pool.rescan()
        (await one.number(2)).become_ready()
        await until(lambda: "serving m@2, m@1" in caplog.text)
    assert "worker 0 is to be replaced by one with m@1, m@2" in caplog.text
