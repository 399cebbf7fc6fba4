"""Two processes, started by the launchers that users have, train what one process trains."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from launched import ACCELERATE, TORCHRUN, launch
from server_process import ROOT
from toy_data import toy_split, write_idx_folder
from toy_recipe import STAGE, run_of, toy_recipe

from models.bundle.reader import verify_bundle
from training.checkpoint import load_checkpoint, load_tensors
from training.context import RunContext
from training.pipeline import run
from training.recipe import Recipe
from training.state import STAGES, TrainedStage

TRAINED: tuple[TrainedStage, ...] = ("autoencoder", "ordered", "prior")
EPOCHS, STEPS = 6, 10
UNEVEN = {**STAGE, "epochs": EPOCHS, "batch": 33}  # 17 examples for one process, 16 for the other


def recipe() -> Recipe:
    """The toy recipe in batches that two cannot halve, with a codebook whose statistics are shared."""
    values = toy_recipe().model_dump(mode="json")
    values["codebook"] = {"learning": "average", "decay": 0.8, "revive": 0.3}
    values["stages"] = {"autoencoder": UNEVEN, "ordered": UNEVEN, "prior": values["stages"]["prior"] | UNEVEN}
    values["evaluate"] = {"images": 20, "samples_per_class": 4, "classifier_epochs": 1}
    return Recipe.model_validate(values)


def toml(table: dict[str, Any], name: str = "") -> str:
    """A recipe's values as TOML."""
    plain = [f"{key} = {json.dumps(value)}" for key, value in table.items() if not isinstance(value, dict | None)]
    below = [toml(value, f"{name}.{key}".lstrip(".")) for key, value in table.items() if isinstance(value, dict)]
    return "\n".join([f"[{name}]" if name else "", *plain, *below])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_idx_folder(tmp_path_factory.mktemp("data") / "toy", toy_split(400), toy_split(100, seed=1))


@pytest.fixture(scope="module")
def alone(data: Path, tmp_path_factory: pytest.TempPathFactory) -> RunContext:
    """The same run in this process."""
    context = run_of(recipe(), data, tmp_path_factory.mktemp("alone"), checkpoint_seconds=1e9)
    run(context)
    return context


def arguments(data: Path, out: Path) -> tuple[str, ...]:
    file = out.parent / "recipe.toml"
    file.write_text(toml(recipe().model_dump(mode="json")))
    paths = (str(file), "--data", str(data), "--out", str(out))
    return ("train", *paths, "--device", "cpu", "--threads", "1", "--checkpoint-seconds", "0")


def assert_equal_weights(first: RunContext, second: RunContext) -> None:
    for stage in TRAINED:
        one, other = (load_checkpoint(context.weights_path(stage)) for context in (first, second))
        assert one.facts["epoch"] == other.facts["epoch"]
        assert one.facts["loss"] == pytest.approx(other.facts["loss"], rel=1e-5)
        for name, tensor in one.tensors.items():
            assert_close(name, tensor, other.tensors[name])


def assert_close(name: str, one: torch.Tensor, other: torch.Tensor) -> None:
    if name.endswith("qkv.bias"):
        # A softmax is the same whatever is added to all its logits, so the keys' bias has no gradient but rounding
        # errors, which Adam scales up.
        keys = slice(len(one) // 3, 2 * len(one) // 3)
        one, other = one.clone(), other.clone()
        one[keys] = other[keys] = 0
    assert torch.allclose(one, other, rtol=0, atol=1e-5), (name, (one - other).abs().max())


def test_accelerate_trains_the_same_model(alone: RunContext, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    status, lines, errors = launch(ACCELERATE, "-m", "anytime", *arguments(data, out))
    assert status == 0, errors
    together = run_of(recipe(), data, out)
    assert_equal_weights(alone, together)
    assert torch.equal(load_tensors(alone.codes_path)["train"], load_tensors(together.codes_path)["train"])
    start = alone.new_autoencoder().state_dict()["encoder.0.weight"]
    assert (load_tensors(alone.weights_path("autoencoder"))["encoder.0.weight"] - start).abs().max() > 0.01

    assert verify_bundle(together.bundle_path).name == "toy"
    said = [line.split(":")[0] for line in lines.splitlines()]
    assert said == [stage for stage in TRAINED[:2] for _ in range(EPOCHS + 1)] + ["codes"] + ["prior"] * (
        EPOCHS + 1
    ) + ["evaluate"] * said.count("evaluate") + ["export", "bundle"]
    assert len(list((out / "logs" / "prior").iterdir())) == 1, "more than one process has logged"


def test_one_failure_ends_all_and_one_process_goes_on(alone: RunContext, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    script = str(ROOT / "tests" / "launched.py")
    status, _, errors = launch(TORCHRUN, script, str(STEPS + 3), *arguments(data, out))
    assert status != 0
    assert errors.count("anytime: ") == errors.count("anytime: process 1 has had enough\n") == 1, errors

    half = run_of(recipe(), data, out)
    facts = load_checkpoint(half.checkpoint_path("prior")).facts
    assert facts["epoch"] == 1
    assert facts["step"] in {2, 3}, (
        "the last was written, or was being written when the launcher ended the main process"
    )
    run(half)
    assert_equal_weights(alone, half)
    assert json.loads((out / "state.json").read_text())["completed"] == list(STAGES)
