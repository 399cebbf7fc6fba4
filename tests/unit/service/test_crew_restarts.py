"""What takes the place of a worker that has died, and with how much of the machine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from bundle_folder import put
from fake_processes import Stage, settled, stage
from live_server import until

from service.outcomes import Loss
from service.pool.child import WorkerNotReady


@pytest.fixture
async def two(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny_bundle: Path) -> AsyncIterator[Stage]:
    """Two workers, which are started again at once."""
    monkeypatch.setattr("service.pool.supervisor._FIRST_BACKOFF_S", 0.0)
    put(tiny_bundle, tmp_path, "m")
    async with stage(monkeypatch, tmp_path, workers=2) as built:
        yield built


async def test_while_others_serve_it_starts_in_the_time_that_they_leave(two: Stage) -> None:
    two.started[0].kill()
    again = await two.number(3)
    assert (again.aside, again.strict) == (True, False)
    again.become_ready()
    await until(lambda: two.observer.up == {0: True, 1: True})


async def test_while_nobody_serves_it_starts_as_quickly_as_it_can(two: Stage) -> None:
    for process in two.started[:2]:
        process.kill()
    await until(lambda: len(two.started) == 4)
    assert [each.aside for each in two.started[2:]] == [False, False]


async def test_if_they_leave_too_little_it_is_started_like_any_worker(
    two: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    two.started[0].kill()
    for count, aside in ((3, True), (4, False), (5, True)):
        again = await two.number(count)
        assert again.aside == aside
        again.fail(WorkerNotReady("worker 0 was not ready after 9 s"))
    await two.number(6)
    await settled()
    assert "too little processor time to spare" in caplog.text
    assert two.observer.losses == [Loss.DIED, Loss.CANNOT_START]
