"""`anytime bench engine`: rows for every executor, and a trace that says which part is which."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from anytime import app
from models import benchmark
from models.errors import DeviceError


def test_rows_and_a_trace(tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, trace = tmp_path / "engine.json", tmp_path / "trace.json"
    options = ["--batch", "1", "--batch", "3", "--repeats", "5", "--json", str(out), "--profile", str(trace)]
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)  # of this process, which has more tests to run
    result = CliRunner().invoke(app, ["bench", "engine", "--bundle", str(tiny_bundle), *options])
    assert result.exit_code == 0, result.output
    rows = json.loads(out.read_text())["rows"]
    executors = ["reference", "native", "native-int8"]
    assert [(row["batch"], row["executor"]) for row in rows] == [(n, name) for n in (1, 3) for name in executors]
    for row in rows:
        assert row["device"] == "cpu"
        assert row["codes_per_s"] == pytest.approx(1e3 * row["batch"] / row["ms_per_step"])
        assert row["decodes_per_s"] == pytest.approx(1e3 * row["batch"] / row["ms_per_decode"])
        assert row["floor_ratio"] == pytest.approx(row["ms_per_step"] / row["floor_ms"])
    events = json.loads(trace.read_text())["traceEvents"]
    spans = [event["name"] for event in events if event.get("cat") == "user_annotation"]
    assert sorted(spans) == sorted(f"{name}: {part}" for name in executors for part in ("steps", "decode"))


def test_on_a_cuda_device_whole_samples_are_timed_and_divided_by_their_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    class Model:
        total_codes = 4
        calls: tuple[tuple[int, ...], ...] = ()

        def step(self, slots: range, codes: int = 1) -> None:
            self.calls += ((len(slots), codes),)

    waits: list[str] = []
    monkeypatch.setattr(benchmark, "_wait", waits.append)
    for device, calls in (("cuda:1", ((2, 4),)), ("cpu", ((2, 1),) * 4)):
        model = Model()
        times = benchmark._step_times(model, range(2), device)  # type: ignore[arg-type]
        assert model.calls == calls
        assert len(times) == len(calls)
    assert waits[:3] == ["cuda:1"] * 3  # before, and around what is timed


def test_too_little_memory_is_said_in_a_sentence(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(benchmark, "build_model", full)
    with pytest.raises(DeviceError, match="4096 samples at once do not fit into the memory of cpu"):
        benchmark.benchmark_engine(tiny_bundle, "cpu", (1, 4096), 5)
