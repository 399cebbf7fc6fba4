"""The executor of CUDA graphs on a real device: what the CPU's tests say of its parts, it does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from factories import RESIDUAL, tiny_manifest, tiny_networks
from graph_models import model_of
from typer.testing import CliRunner

from anytime import app
from models.bundle.networks import Networks, load_networks
from models.runtime import load_model
from models.runtime.executors import build_model
from models.runtime.graphs.executor import GraphExecutor
from models.runtime.graphs.launcher import CudaGraphs, steady_arithmetic
from models.runtime.ordered import OrderedModel
from models.runtime.protocol import SampleRequest
from service.settings import PRETRAINED

pytestmark = pytest.mark.gpu

SHIPPED = PRETRAINED / "fashion-mnist"
SLOTS = 37


def on_gpu(networks: Networks) -> Networks:
    return networks._replace(autoencoder=networks.autoencoder.cuda(), prior=networks.prior.cuda())


def begin_all(model: OrderedModel, slots: range) -> None:
    """Requests of all kinds, some with codes that are given."""
    for slot in slots:
        model.begin(
            slot,
            SampleRequest(
                seed=slot,
                label=slot % 3 if slot % 4 else None,
                temperature=0.0 if slot % 11 == 5 else 0.8,
                top_k=slot % 5,
                top_p=0.9 if slot % 2 else 1.0,
                codes=(1, 0, 3, 2)[: slot % 6 // 2],
            ),
        )


def drawn(model: OrderedModel, slots: range, at_once: int) -> list[list[int]]:
    begin_all(model, slots)
    for start in range(0, len(slots), at_once):
        chunk = slots[start : start + at_once]
        while moving := [slot for slot in chunk if model.position(slot) < model.total_codes]:
            model.step(moving)
    model.check_integrity()
    codes = model.codes(slots)
    for slot in slots:
        model.release(slot)
    return codes


@contextmanager
def no_waiting() -> Iterator[None]:
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_auto_takes_it_on_this_device(tiny_bundle: Path) -> None:
    for bundle in (tiny_bundle, SHIPPED):
        _, model = load_model(bundle, "cuda", slots=8)
        assert isinstance(model, OrderedModel)
        assert model.executor.name == "graphs"


@pytest.mark.parametrize("name", ["graphs", "graphs-fp32"])
def test_a_replay_leaves_what_the_same_work_leaves_as_it_runs(name: str) -> None:
    """Bit for bit: tokens, positions, keys and values, and logits."""
    networks = on_gpu(load_networks(SHIPPED))
    left = []
    for replayed in (True, False):
        model = build_model(networks.autoencoder, networks.prior, SLOTS, name)
        executor = model.executor
        assert isinstance(executor, GraphExecutor)
        begin_all(model, range(SLOTS))
        for slots in (range(SLOTS), range(1), range(3, 9)):
            model.step(slots)  # reads what is given, by replay
            if replayed:
                model.step(slots)
                continue
            size = next(size for size in executor.buckets if size >= len(slots))
            with torch.inference_mode(), steady_arithmetic():
                restricted = not executor._restricted.isdisjoint(slots)
                executor._step(executor._batches[size], restricted=restricted)
        left.append((executor._records.table.clone(), executor._prior.memory[:, :SLOTS].clone()))
    assert torch.equal(left[0][0][:SLOTS], left[1][0][:SLOTS])
    assert torch.equal(left[0][1], left[1][1])


@pytest.mark.parametrize("kind", ["convolutional", "residual"])
def test_in_full_precision_codes_are_those_of_the_reference_on_the_cpu(kind: str) -> None:
    manifest = tiny_manifest(autoencoder=RESIDUAL) if kind == "residual" else tiny_manifest()
    on_cpu = tiny_networks(manifest)
    reference = build_model(on_cpu.autoencoder, on_cpu.prior, SLOTS, "reference")
    expected = drawn(reference, range(SLOTS), SLOTS)
    networks = on_gpu(tiny_networks(manifest))
    model = build_model(networks.autoencoder, networks.prior, SLOTS, "graphs-fp32")
    for at_once in (1, 5, SLOTS):
        assert drawn(model, range(SLOTS), at_once) == expected


def test_the_shipped_model_draws_nearly_the_references_codes_in_half_precision() -> None:
    networks = on_gpu(load_networks(SHIPPED))
    codes = [
        np.array(drawn(build_model(networks.autoencoder, networks.prior, 64, name), range(64), 64))
        for name in ("reference", "graphs")
    ]
    assert (codes[0] == codes[1]).mean() > 0.95


@pytest.mark.parametrize("name", ["graphs", "graphs-fp32"])
def test_codes_do_not_depend_on_the_batch(name: str) -> None:
    networks = on_gpu(load_networks(SHIPPED))
    model = build_model(networks.autoencoder, networks.prior, SLOTS, name)
    alone = drawn(model, range(SLOTS), 1)
    assert drawn(model, range(SLOTS), 7) == alone
    assert drawn(model, range(SLOTS), SLOTS) == alone


def test_nothing_waits_in_a_step_or_a_begin() -> None:
    networks = on_gpu(load_networks(SHIPPED))
    executor = build_model(networks.autoencoder, networks.prior, SLOTS, "graphs").executor
    model = OrderedModel(networks.prior.vocabulary, executor)
    drawn(model, range(SLOTS), 5)  # page-locked memory is made when it is first needed
    with no_waiting():
        begin_all(model, range(SLOTS))
        for slots in (range(SLOTS), range(2), range(4, 13)):
            executor.step(slots)
            executor.step(slots)
    executor.wait()


def test_pictures_are_the_references() -> None:
    networks = on_gpu(load_networks(SHIPPED))
    codes = torch.randint(networks.prior.codebook, (300, networks.prior.codes))
    lengths = torch.arange(300) % (networks.prior.codes + 1)
    expected = networks.autoencoder.decode_codes(codes.cuda(), lengths.cuda()).cpu().numpy()
    for name, most in (("graphs", 0.01), ("graphs-fp32", 5e-3)):  # convolutions are in TensorFloat-32 by default
        model = build_model(networks.autoencoder, networks.prior, 300, name)
        for slot, (row, length) in enumerate(zip(codes.tolist(), lengths.tolist(), strict=True)):
            model.begin(slot, SampleRequest(0, codes=tuple(row[:length])))
        assert np.abs(model.decode(range(300)).media - expected).max() < most
        assert np.abs(model.decode([17]).media - expected[17]).max() < most


def test_two_models_do_not_touch_each_other() -> None:
    networks = on_gpu(tiny_networks())
    first, second = (model_of(networks, 5, CudaGraphs(torch.device("cuda"))) for _ in range(2))
    expected = drawn(first, range(5), 5)
    begin_all(second, range(5))
    second.step(range(5))
    assert drawn(first, range(5), 2) == expected


def test_the_benchmark_runs_and_its_trace_shows_no_waiting_between_steps(tmp_path: Path) -> None:
    out, trace = tmp_path / "engine.json", tmp_path / "trace.json"
    options = ["--bundle", str(SHIPPED), "--device", "cuda", "--batch", "1", "--batch", "64", "--repeats", "5"]
    result = CliRunner().invoke(app, ["bench", "engine", *options, "--json", str(out), "--profile", str(trace)])
    assert result.exit_code == 0, result.output
    rows = json.loads(out.read_text())["rows"]
    assert {row["executor"] for row in rows} == {"reference", "graphs", "graphs-fp32"}
    assert all(row["ms_per_step"] > 0 and row["floor_ratio"] > 0 for row in rows)
    events = json.loads(trace.read_text())["traceEvents"]
    (span,) = (each for each in events if each["name"] == "graphs: steps" and each.get("cat") == "user_annotation")
    during = [
        each["name"]
        for each in events
        if each.get("cat") == "cuda_runtime" and span["ts"] <= each["ts"] <= span["ts"] + span["dur"]
    ]
    assert during.count("cudaGraphLaunch") == 16  # a code, a launch
    # Once at the end of all steps, which the call waits for.
    assert sum("Synchronize" in name for name in during) <= 1
