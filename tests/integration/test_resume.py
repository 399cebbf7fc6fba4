"""`anytime train smoke`, killed with SIGKILL in every stage and resumed, makes the bundle of an unbroken run."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest
from server_process import COMMAND, ROOT

STAGES = ("autoencoder", "ordered", "codes", "prior", "evaluate", "export")
PATIENCE_S = 300


def command(data: Path, out: Path, *options: str) -> list[str]:
    return [*COMMAND, "train", "smoke", "--data", str(data), "--out", str(out), "--threads", "1", *options]


def completed(out: Path) -> list[str]:
    state = out / "state.json"
    return json.loads(state.read_text())["completed"] if state.exists() else []


def begun(stage: str, out: Path) -> bool:
    """Whether a run is in the middle of a stage: the one before is complete, and a trained one has a checkpoint."""
    earlier = STAGES[: STAGES.index(stage)]
    if completed(out) != list(earlier):
        return False
    return stage not in {"autoencoder", "ordered", "prior"} or (out / "checkpoints" / f"{stage}.safetensors").exists()


def kill_in(stage: str, data: Path, out: Path) -> None:
    """Run or resume until the stage is under way, then kill without warning."""
    resume = ["--resume"] if out.exists() else []
    process = subprocess.Popen(
        [*command(data, out, *resume), "--checkpoint-seconds", "0"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    deadline = time.monotonic() + PATIENCE_S
    while not begun(stage, out):
        assert process.poll() is None, f"it ended before stage {stage}: {process.communicate()[0]}"
        assert time.monotonic() < deadline, f"stage {stage} did not begin"
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert stage not in completed(out)


def finish(data: Path, out: Path, *options: str) -> str:
    result = subprocess.run(command(data, out, *options), cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def unbroken(fashion_mnist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("unbroken") / "run"
    finish(fashion_mnist, out)
    assert completed(out) == list(STAGES)
    return out


def test_killed_in_every_stage_the_bundle_is_the_same(fashion_mnist: Path, unbroken: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    for stage in STAGES:
        kill_in(stage, fashion_mnist, out)
    said = finish(fashion_mnist, out, "--resume")
    assert "autoencoder: complete" in said
    assert "export: complete" not in said
    broken, whole = contents(out / "bundle"), contents(unbroken / "bundle")
    assert (
        broken.keys() == whole.keys() >= {"bundle.json", "autoencoder.safetensors", "prior.safetensors", "report.json"}
    )
    assert [name for name in whole if broken[name] != whole[name]] == []


def test_a_complete_run_resumed_does_nothing(fashion_mnist: Path, unbroken: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (unbroken / "bundle").iterdir()}
    said = finish(fashion_mnist, unbroken, "--resume")
    assert all(f"{stage}: complete" in said for stage in STAGES)
    assert {path: path.stat().st_mtime_ns for path in (unbroken / "bundle").iterdir()} == before


def test_a_folder_is_not_taken_over_by_another_run(fashion_mnist: Path, unbroken: Path) -> None:
    def refused(*arguments: str) -> str:
        result = subprocess.run(
            [*COMMAND, "train", *arguments, "--data", str(fashion_mnist), "--out", str(unbroken)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 1
        assert result.stderr.count("\n") == 1
        return result.stderr

    assert "--resume" in refused("smoke")
    assert "recipe" in refused("fashion-mnist", "--resume")
