"""`anytime train` as a process of its own: killed in every stage, it ends up with the bundle of an unbroken run."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from server_process import COMMAND, ROOT
from toy_data import toy_split, write_idx_folder

from models.bundle.reader import verify_bundle
from training.checkpoint import load_checkpoint
from training.recipe import BUNDLED
from training.state import STAGES

KILLED_BEFORE = (sys.executable, str(ROOT / "tests" / "killed_before.py"))
CAREFUL = ("--checkpoint-seconds", "0")  # a checkpoint after every step
PATIENCE = 300  # seconds until a stage that does not come counts as failed


def start(
    command: tuple[str, ...], data: Path, out: Path, *options: str, recipe: str = "smoke"
) -> subprocess.Popen[str]:
    """`anytime train smoke`, on one thread, since others use the cores too."""
    arguments = ["train", recipe, "--data", str(data), "--out", str(out), "--threads", "1", "--device", "cpu"]
    return subprocess.Popen(
        [*command, *arguments, *options],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, errors = process.communicate(timeout=PATIENCE)
    return process.returncode, out, errors


def stop_when(process: subprocess.Popen[str], reached: Callable[[], bool], number: int) -> tuple[int, str, str]:
    """Send the process a signal as soon as it has come somewhere."""
    give_up = time.monotonic() + PATIENCE
    while not reached():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < give_up
        time.sleep(0.002)
    process.send_signal(number)
    return finish(process)


def in_mid_epoch(out: Path, stage: str) -> Callable[[], bool]:
    """Whether a stage has a checkpoint from within its second epoch."""
    path = out / "checkpoints" / f"{stage}.safetensors"

    def reached() -> bool:
        if not path.exists():
            return False
        facts = load_checkpoint(path).facts
        return bool(facts["epoch"] == 1 and facts["step"] > 3)

    return reached


def completed(out: Path) -> list[str]:
    state: dict[str, list[str]] = json.loads((out / "state.json").read_text())
    return state["completed"]


def digests(bundle: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in bundle.iterdir()}


class Unbroken:
    """A run that nothing disturbs, under way beside the others and with far fewer checkpoints."""

    def __init__(self, data: Path, out: Path) -> None:
        self.out = out
        self.process = start(COMMAND, data, out)

    def wait(self) -> Path:
        """The run's folder, once it is complete."""
        if self.process.returncode is None:
            status, _, errors = finish(self.process)
            assert status == 0, errors
        return self.out


@pytest.fixture(scope="module")
def unbroken(fashion_mnist: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Unbroken]:
    run = Unbroken(fashion_mnist, tmp_path_factory.mktemp("unbroken") / "run")
    yield run
    run.process.kill()
    run.process.wait()


def test_killed_in_every_stage_and_resumed(unbroken: Unbroken, fashion_mnist: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"

    def killed_in(stage: str, before: list[str], status: tuple[int, str, str]) -> None:
        assert status[0] == -signal.SIGKILL, status
        assert completed(out) == before, stage
        assert not (out / "bundle").exists()

    process = start(COMMAND, fashion_mnist, out, *CAREFUL, "--resume")
    killed_in("autoencoder", [], stop_when(process, in_mid_epoch(out, "autoencoder"), signal.SIGKILL))

    process = start(COMMAND, fashion_mnist, out, *CAREFUL, "--resume")
    killed_in("ordered", ["autoencoder"], stop_when(process, in_mid_epoch(out, "ordered"), signal.SIGKILL))

    before = ["autoencoder", "ordered"]
    process = start((*KILLED_BEFORE, "codes.safetensors"), fashion_mnist, out, *CAREFUL, "--resume")
    killed_in("codes", before, finish(process))

    before += ["codes"]
    process = start(COMMAND, fashion_mnist, out, *CAREFUL, "--resume")
    killed_in("prior", before, stop_when(process, in_mid_epoch(out, "prior"), signal.SIGKILL))

    before += ["prior"]
    process = start((*KILLED_BEFORE, "report.json"), fashion_mnist, out, *CAREFUL, "--resume")
    killed_in("evaluate", before, finish(process))

    before += ["evaluate"]
    process = start((*KILLED_BEFORE, "bundle"), fashion_mnist, out, *CAREFUL, "--resume")
    killed_in("export", before, finish(process))
    assert list(out.glob(".bundle.*")), "killed too early: nothing had been written"

    status, lines, errors = finish(start(COMMAND, fashion_mnist, out, *CAREFUL, "--resume"))
    assert status == 0, errors
    assert "prior: complete" in lines
    assert not list(out.rglob(".*")), "half-written files are left"

    assert digests(out / "bundle") == digests(unbroken.wait() / "bundle")
    assert verify_bundle(out / "bundle").name == "smoke"


def test_ctrl_c_says_how_to_go_on(fashion_mnist: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    process = start(COMMAND, fashion_mnist, out, *CAREFUL)
    status, _, errors = stop_when(process, in_mid_epoch(out, "autoencoder"), signal.SIGINT)
    assert status == 130
    assert errors == f"anytime: interrupted; the same command with --resume goes on from {out}'s last checkpoint\n"

    status, _, errors = finish(start(COMMAND, fashion_mnist, out))
    assert (status, errors) == (1, f"anytime: {out}: is not empty; choose another --out, or go on with --resume\n")


def test_a_complete_run_resumed_does_nothing(unbroken: Unbroken, fashion_mnist: Path) -> None:
    bundle = unbroken.wait() / "bundle"
    before = {path: path.stat().st_mtime_ns for path in bundle.iterdir()}
    status, lines, errors = finish(start(COMMAND, fashion_mnist, unbroken.out, "--resume"))
    assert status == 0, errors
    assert lines.splitlines()[:-1] == [f"{stage}: complete" for stage in STAGES]
    assert {path: path.stat().st_mtime_ns for path in bundle.iterdir()} == before


def test_a_run_is_not_gone_on_with_by_another_recipe_or_on_other_data(
    unbroken: Unbroken, fashion_mnist: Path, tmp_path: Path
) -> None:
    out = unbroken.wait()
    mine = tmp_path / "mine.toml"
    mine.write_text((BUNDLED / "smoke.toml").read_text().replace("limit = 4000", "limit = 3000"))
    status, _, errors = finish(start(COMMAND, fashion_mnist, out, "--resume", recipe=str(mine)))
    assert (status, errors.count("\n")) == (1, 1)
    assert "cannot resume with another recipe, data.limit was 4000 and is now 3000" in errors

    other = write_idx_folder(tmp_path / "other", toy_split(1000, size=28), toy_split(50, size=28))
    status, _, errors = finish(start(COMMAND, other, out, "--resume"))
    assert (status, errors.count("\n")) == (1, 1)
    assert "cannot resume with other data" in errors
