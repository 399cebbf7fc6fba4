"""The pool with real worker processes."""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
import pytest_asyncio
from real_pool import (
    LONG,
    Observer,
    ending,
    generation,
    read,
    serving,
    settings,
    until,
    until_running,
    workers,
    write_bundles,
)

from models.errors import BundleError
from service.errors import DeadlineInfeasible, Draining, Overloaded
from service.pool import Pool, WorkerStartError


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundles(tmp_path_factory.mktemp("pool"))


@pytest_asyncio.fixture(scope="class", loop_scope="class")
async def shared(bundles: Path) -> AsyncIterator[Pool]:
    """One pool for the tests that do it no harm."""
    async with serving(settings(bundles)) as (pool, _):
        yield pool


@pytest.mark.asyncio(loop_scope="class")
class TestServing:
    """Requests to a pool in good health."""

    async def test_results(self, shared: Pool) -> None:
        assert shared.ready
        assert set(shared.manifests) == {"tiny", "long"}
        ticket = shared.submit(generation(n=3), shared.clock.now() + 20)
        previews, result = await read(ticket)
        shared.delivered(ticket)
        assert previews == []
        assert [output.index for output in result.outputs] == [0, 1, 2]
        for output in result.outputs:
            assert output.stop_reason == "complete"
            assert output.data.startswith(b"\x89PNG")
            assert output.expected_quality == pytest.approx(1.0)
        assert shared.running == 0

    async def test_more_samples_than_slots(self, shared: Pool) -> None:
        _, result = await read(shared.submit(generation(n=20), shared.clock.now() + 20))
        assert [len(output.codes) for output in result.outputs] == [6] * 20

    async def test_a_deadline_cuts_and_the_codes_are_a_prefix(self, shared: Pool) -> None:
        _, short = await read(shared.submit(generation("long", max_codes=60), shared.clock.now() + 0.08))
        _, full = await read(shared.submit(generation("long", max_codes=60), shared.clock.now() + 20))
        (cut,), (whole,) = short.outputs, full.outputs
        assert whole.stop_reason == "complete"
        assert cut.codes
        assert cut.codes == whole.codes[: len(cut.codes)]

    async def test_previews_grow(self, shared: Pool) -> None:
        ticket = shared.submit(generation("long", preview_ms=5.0), shared.clock.now() + 20)
        previews, _ = await read(ticket)
        lengths = [len(preview.output.codes) for preview in previews]
        assert lengths
        assert lengths == sorted(set(lengths))

    async def test_stop(self, shared: Pool) -> None:
        ticket = shared.submit(generation("long", preview_ms=0.0), shared.clock.now() + 30)
        await until_running(ticket)
        ticket.stop()
        _, result = await read(ticket)
        assert result.outputs[0].stop_reason == "client_stop"
        assert 1 <= len(result.outputs[0].codes) < LONG

    async def test_cancel_frees_the_places(self, shared: Pool) -> None:
        for _ in range(10):
            tickets = [shared.submit(generation("long", n=8), shared.clock.now() + 30) for _ in range(3)]
            for ticket in tickets:
                ticket.cancel()
        assert shared.running == 0
        _, result = await read(shared.submit(generation(), shared.clock.now() + 20))
        assert result.outputs[0].stop_reason == "complete"

    async def test_two_models_at_once(self, shared: Pool) -> None:
        names = ["tiny", "long"] * 5
        tickets = [shared.submit(generation(name, seed=3, max_codes=6), shared.clock.now() + 20) for name in names]
        results = [await read(ticket) for ticket in tickets]
        codes = {name: {tuple(result.outputs[0].codes)} for name, (_, result) in zip(names, results, strict=True)}
        assert all(len(each) == 1 for each in codes.values())

    async def test_refusals(self, shared: Pool) -> None:
        with pytest.raises(DeadlineInfeasible) as refusal:
            shared.submit(generation(), shared.clock.now() + 1e-4)
        least = refusal.value.extra["minimum_deadline_ms"]
        assert isinstance(least, float)
        minimum = shared.minimum_deadline_ms(shared.manifests["tiny"].identity)
        assert minimum is not None
        assert least >= minimum - 0.001
        assert await ending(shared.submit(generation(), shared.clock.now() + (least + 1) / 1000))
        with pytest.raises(Overloaded):
            shared.submit(generation(n=25), shared.clock.now() + 60)
        assert shared.running == 0


async def test_drain_answers_what_runs_and_leaves_nothing_behind(bundles: Path) -> None:
    async with serving(settings(bundles)) as (pool, observer):
        (worker,) = workers()
        tickets = [
            pool.submit(generation("long", seed=seed, preview_ms=0.0), pool.clock.now() + 60) for seed in range(12)
        ]
        await until(lambda: observer.steps > 0)  # previews may wait while others wait for a slot
        closing = asyncio.create_task(pool.close())
        results = [await read(ticket) for ticket in tickets]
        await closing
        for _, result in results:
            assert result.outputs[0].stop_reason == "drain"
            assert result.outputs[0].codes
        with pytest.raises(Draining):
            pool.submit(generation(), pool.clock.now() + 60)
        assert not worker.is_running()
        assert not pool.ready
        assert observer.restarts == 0
        assert observer.up == {0: False}


async def test_what_cannot_be_answered_while_draining_is_told_so(bundles: Path) -> None:
    async with serving(settings(bundles, shutdown_timeout=0.3)) as (pool, _):
        (worker,) = workers()
        worker.suspend()
        ticket = pool.submit(generation("long"), pool.clock.now() + 60)
        await pool.close()
        assert isinstance(await ending(ticket), Draining)
        assert not worker.is_running()


async def test_a_terminated_worker_answers_first(bundles: Path) -> None:
    """As when a service manager signals the whole group."""
    async with serving(settings(bundles)) as (pool, _):
        ticket = pool.submit(generation("long", preview_ms=0.0), pool.clock.now() + 60)
        await until_running(ticket)
        workers()[0].send_signal(signal.SIGINT)
        workers()[0].terminate()
        _, result = await read(ticket)
        assert result.outputs[0].stop_reason == "drain"


@pytest.mark.parametrize("damage", ["truncated", "changed"])
async def test_a_bundle_that_cannot_be_loaded_is_one_sentence(bundles: Path, tmp_path: Path, damage: str) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(bundles / "tiny", broken)
    weights = broken / "prior.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:100] if damage == "truncated" else content[:-1] + b"?")
    with pytest.raises((BundleError, WorkerStartError), match=r"^\S*broken\S* ?prior.safetensors: [^\n]+$"):
        await Pool(settings(broken), Observer()).start()
    assert workers() == []


async def test_a_worker_that_dies_while_starting_is_quoted(
    bundles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "safetensors.py").write_text("raise SystemExit('no arithmetic today')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(WorkerStartError, match="exited with status 1 while starting: no arithmetic today"):
        await Pool(settings(bundles), Observer()).start()
    assert workers() == []


async def test_a_worker_that_never_gets_ready_is_given_up(bundles: Path) -> None:
    with pytest.raises(WorkerStartError, match=r"not ready after 0.05 s"):
        await Pool(settings(bundles, start_timeout=0.05), Observer()).start()
    assert workers() == []


async def test_a_start_that_is_called_off_leaves_nothing_behind(bundles: Path) -> None:
    starting = asyncio.create_task(Pool(settings(bundles), Observer()).start())
    async with asyncio.timeout(30):
        while not workers():
            await asyncio.sleep(0.01)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert workers() == []


async def test_no_bundle_and_two_of_one_name(bundles: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no bundle here"):
        await Pool(settings(tmp_path), Observer()).start()
    for name in ("one", "two"):
        shutil.copytree(bundles / "tiny", tmp_path / name)
    with pytest.raises(BundleError, match="two: another bundle, one, is also tiny@1"):
        await Pool(settings(tmp_path), Observer()).start()


def test_a_worker_does_not_outlive_its_parent(bundles: Path) -> None:
    script = (
        "import asyncio, sys; from pathlib import Path; sys.path[:0] = sys.argv[2:]\n"
        "from test_pool import Observer, Pool, settings\n"
        "async def main():\n"
        "    pool = Pool(settings(Path(sys.argv[1])), Observer()); await pool.start()\n"
        "    print('ready', flush=True); await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    here = Path(__file__).parent
    command = [sys.executable, "-c", script, str(bundles), str(here), str(here.parent)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        assert parent.stdout.readline() == b"ready\n"
        (worker,) = psutil.Process(parent.pid).children()
        parent.kill()
    psutil.wait_procs([worker], timeout=30)
    assert not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE
