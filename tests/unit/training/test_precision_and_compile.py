"""Options of a stage that change how fast it computes, and not what."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from toy_data import toy_split, write_idx_folder
from toy_recipe import toy_run

from models.errors import AnytimeError
from models.quantiser import Quantiser
from training import compiling
from training.checkpoint import load_checkpoint, load_tensors
from training.context import RunContext
from training.processes import Processes
from training.stages import autoencoder
from training.stages.autoencoder import AutoencoderTask


def run_with(directory: Path, **options: object) -> RunContext:
    data = write_idx_folder(directory / "data", toy_split(400), toy_split(30, seed=1))
    context = toy_run(data, directory / "run", checkpoint_seconds=1e9)
    stages = context.recipe.stages
    assert stages.autoencoder is not None
    changed = stages.model_copy(update={"autoencoder": stages.autoencoder.model_copy(update=options)})
    return replace(context, recipe=context.recipe.model_copy(update={"stages": changed}))


def test_the_autoencoder_trains_in_half_width_and_measures_distances_in_full(tmp_path: Path) -> None:
    context = run_with(tmp_path, precision="bfloat16")
    task, widths = AutoencoderTask(context, "autoencoder"), dict[str, torch.dtype]()
    task.start()
    for name in ("encoder", "quantiser", "decoder"):
        module = task.network.get_submodule(name)
        module.register_forward_hook(
            lambda _, inputs, __, name=name: widths.update({name: inputs[0].dtype}),
        )
    task.network.encoder.register_forward_hook(lambda _, __, z: widths.update(z=z.dtype))
    loss, _ = task.loss(torch.arange(20), seed=1)
    torch.autograd.backward(loss)
    assert widths == {
        "encoder": torch.float32,
        "z": torch.bfloat16,
        "quantiser": torch.float32,
        "decoder": torch.float32,
    }
    assert loss.dtype == torch.float32
    assert all(weight.grad is not None and weight.grad.dtype == torch.float32 for weight in task.network.parameters())


def test_entries_that_bfloat16_cannot_tell_apart_are_told_apart() -> None:
    quantiser = Quantiser(2, 1)
    quantiser.codebook.data = torch.tensor([[1.0], [1.001]])
    z = torch.tensor([[1.0], [1.0009]])
    with torch.autocast("cpu", torch.bfloat16):
        assert quantiser.nearest(z).tolist() == [0, 1]


def test_half_width_learns_too(tmp_path: Path) -> None:
    full, half = run_with(tmp_path / "full"), run_with(tmp_path / "half", precision="bfloat16")
    losses = []
    for context in (full, half):
        autoencoder.run(context, "autoencoder")
        losses.append(load_checkpoint(context.weights_path("autoencoder")).facts["loss"])
    assert losses[0] != losses[1]
    assert losses[1] == pytest.approx(losses[0], rel=0.05)


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")  # Dynamo asks for it
def test_compiled_steps_compute_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With Dynamo's own backend, which finds out as much as the real one, but generates no code."""
    monkeypatch.setattr(compiling, "BACKEND", {"backend": "eager"})
    plain, compiled = run_with(tmp_path / "plain"), run_with(tmp_path / "compiled", compile=True, epochs=3)
    torch._dynamo.utils.counters.clear()
    for context in (plain, compiled):
        autoencoder.run(context, "autoencoder")
    graphs = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    assert 0 < graphs <= 4, "validation compiles too, or nothing does"
    expected = load_tensors(plain.weights_path("autoencoder"))
    found = load_tensors(compiled.weights_path("autoencoder"))
    assert found.keys() == expected.keys()
    assert all(torch.allclose(found[name], expected[name], atol=1e-5) for name in expected)


def test_without_a_compiler_it_says_so_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> None:
        raise RuntimeError("no working compiler\nand a page about it")

    monkeypatch.setattr("torch.compile", missing)
    with pytest.raises(AnytimeError, match=r"stages\.autoencoder\.compile: .* for cpu here \(no working compiler\)"):
        autoencoder.run(run_with(tmp_path, compile=True), "autoencoder")


def test_a_batch_smaller_than_the_processes_is_refused(tmp_path: Path) -> None:
    context = replace(run_with(tmp_path, batch=7), processes=Processes(0, 4))
    with pytest.raises(AnytimeError, match=r"a batch of 7 is too small for 4 processes, which need two examples each"):
        autoencoder.run(context, "autoencoder")
