from __future__ import annotations

import io
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.summary.writer import event_file_writer

from training.progress import RunProgress, tile


def log_steps(logs: Path, done: int, until: int, value: float) -> None:
    with RunProgress(logs, Console(file=io.StringIO())).stage("ordered", 100, done) as progress:
        for step in range(done + 1, until + 1):
            progress.advance()
            progress.scalars({"train/loss": value}, step)


def test_a_resumed_log_has_every_step_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log_steps(tmp_path, done=0, until=50, value=1.0)  # killed at step 50, its last checkpoint was at step 30
    # Files are read in the order of their names, which begin with the second that they were made in.
    monkeypatch.setattr(event_file_writer, "time", SimpleNamespace(time=lambda: time.time() + 60))
    log_steps(tmp_path, done=30, until=60, value=2.0)
    events = EventAccumulator(str(tmp_path / "ordered"))
    events.Reload()
    scalars = events.Scalars("train/loss")
    assert [event.step for event in scalars] == list(range(1, 61))
    assert [event.value for event in scalars] == [1.0] * 30 + [2.0] * 30


def test_pictures_are_logged(tmp_path: Path) -> None:
    with RunProgress(tmp_path, Console(file=io.StringIO())).stage("prior", 1) as progress:
        progress.image("samples", np.zeros((1, 8, 16), dtype=np.uint8), 1)
    events = EventAccumulator(str(tmp_path / "prior"))
    events.Reload()
    assert [(event.width, event.height) for event in events.Images("samples")] == [(16, 8)]


def test_without_a_terminal_there_are_plain_lines_only(tmp_path: Path) -> None:
    out = io.StringIO()
    with RunProgress(tmp_path, Console(file=out)).stage("codes", 3) as progress:
        for _ in range(3):
            progress.advance(items=5)
        progress.say("31 of 32 entries in use [not markup]")
    assert out.getvalue().splitlines() == ["codes: 31 of 32 entries in use [not markup]"]


def test_on_a_terminal_there_is_a_bar(tmp_path: Path) -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=120, _environ={})
    with RunProgress(tmp_path, console).stage("ordered", 4, done=1) as progress:
        progress.describe("epoch 2/3")
        progress.scalars({"train/loss": 1.25}, 1)
        progress.advance(3)
    shown = out.getvalue()
    assert "ordered: epoch 2/3" in shown
    assert "4/4" in shown
    assert "loss 1.25" in shown


def test_tile_lays_pictures_out_row_by_row() -> None:
    pictures = np.stack([np.full((1, 2, 2), value, dtype=np.float32) for value in (0.2, 0.4, 1.5)])
    assert tile(pictures, 2)[0].tolist() == [[51, 51, 102, 102]] * 2 + [[255, 255, 0, 0]] * 2
