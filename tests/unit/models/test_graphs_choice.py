"""Who gets the executor for CUDA devices, and that it is compared with the networks before."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch
from factories import PRIORS, RESIDUAL, tiny_manifest, tiny_networks
from graph_models import CPU, NETWORKS
from recorded_graphs import RecordedGraphs

from models.errors import DeviceError
from models.runtime import executors, load_model
from models.runtime.choice import available, choose
from models.runtime.executors import build_model, by_graphs
from models.runtime.graphs import check
from models.runtime.graphs.launcher import Eager, Prepared, Work
from models.runtime.graphs.prior import StaticTransformer
from models.runtime.graphs.records import Records
from models.runtime.ordered import OrderedModel
from models.runtime.protocol import SampleRequest


def test_a_model_that_agrees_passes_the_check_with_all_its_slots_free() -> None:
    for networks in (NETWORKS, tiny_networks(tiny_manifest(autoencoder=RESIDUAL))):
        for exact in (True, False):
            for slots in (1, 5, 13):
                model = by_graphs(networks.autoencoder, networks.prior, slots, RecordedGraphs(), exact=exact)
                for slot in range(slots):
                    model.begin(slot, SampleRequest(slot))


def test_a_device_that_computes_something_else_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def check_fails(said: str) -> None:
        with pytest.raises(DeviceError, match=said):
            by_graphs(NETWORKS.autoencoder, NETWORKS.prior, 5, Eager(CPU), exact=True)

    logits = StaticTransformer.logits
    with monkeypatch.context() as patch:
        patch.setattr(StaticTransformer, "logits", lambda prior, x: 1.01 * logits(prior, x))
        check_fails("logits are off by")
    with monkeypatch.context() as patch:
        patch.setattr("models.runtime.graphs.executor.draw", lambda logits, *_, **__: logits.argmin(1))
        check_fails("codes are not those that their logits and seeds make")
    with monkeypatch.context() as patch:
        patch.setattr(Records, "uniforms", lambda _, places: torch.full(places.shape, 0.5, dtype=torch.float64))
        check_fails("codes are not those")
    with monkeypatch.context() as patch:
        patch.setattr(check, "MEDIA_LIMIT", -1.0)
        check_fails("samples are off by")


@pytest.mark.parametrize(
    ("kind", "device", "wanted", "chosen"),
    [
        ("transformer", "cuda", "auto", "graphs"),
        ("transformer", "cuda:1", "auto", "graphs"),
        ("transformer", "cuda", "full", "reference"),
        ("transformer", "cuda", "graphs", "graphs"),
        ("transformer", "cuda", "graphs-fp32", "graphs-fp32"),
        ("transformer", "cuda", "reference", "reference"),
        ("transformer", "cpu", "full", "native"),
        ("lstm", "cuda", "auto", "reference"),
        ("pixelcnn", "cuda", "auto", "reference"),
    ],
)
def test_who_computes_on_which_device(kind: str, device: str, wanted: str, chosen: str) -> None:
    assert choose(kind, device, wanted) == chosen


def test_graphs_that_cannot_be_had_are_refused_by_name() -> None:
    with pytest.raises(DeviceError, match="graphs was asked for, but it is for CUDA devices"):
        choose("transformer", "cpu", "graphs")
    with pytest.raises(DeviceError, match=r"graphs-fp32 was asked for, but it is for Transformers, .* of kind lstm"):
        choose("lstm", "cuda", "graphs-fp32")
    assert available("transformer", "cuda") == ("reference", "graphs", "graphs-fp32")
    assert available("lstm", "cuda") == ("reference",)
    assert "graphs" not in available("transformer", "cpu")


class Broken(Eager):
    def prepare(self, work: Work) -> Prepared:
        work()
        raise RuntimeError("CUDA error: operation not permitted when stream is capturing")


@pytest.mark.parametrize("launcher", [Broken, RecordedGraphs])
def test_auto_falls_back_to_the_reference_and_says_why(
    launcher: type[Eager], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tiny_bundle: Path
) -> None:
    """As if the CPU were a CUDA device: one that cannot record, and one that can."""
    works = launcher is RecordedGraphs
    monkeypatch.setattr("models.runtime.choice.graphs_obstacle", lambda *_: None)
    monkeypatch.setattr(executors, "CudaGraphs", lambda device: RecordedGraphs() if works else Broken(device))
    with caplog.at_level(logging.INFO):
        _, model = load_model(tiny_bundle, "cpu", slots=2)
    assert isinstance(model, OrderedModel)
    name = "graphs" if works else "reference"
    assert model.executor.name == name
    said = ["executor graphs cannot be used here, so the reference computes: CUDA error: operation not permitted "]
    assert [message.partition("when")[0] for message in caplog.messages] == [
        *([] if works else said),
        f"tiny: executor {name}",
    ]
    if not works:
        with pytest.raises(DeviceError, match="graphs-fp32 was asked for, but CUDA error"):
            build_model(NETWORKS.autoencoder, NETWORKS.prior, 2, "graphs-fp32")
    else:
        assert build_model(NETWORKS.autoencoder, NETWORKS.prior, 2, "graphs-fp32").executor.name == "graphs-fp32"


def test_other_priors_are_for_the_reference() -> None:
    networks = tiny_networks(tiny_manifest(prior=PRIORS["lstm"]))
    assert build_model(networks.autoencoder, networks.prior, 2, "auto").executor.name == "reference"
