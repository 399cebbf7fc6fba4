"""The loop, with the real tasks of the real stages on toy data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor
from toy_data import toy_split, write_idx_folder
from toy_recipe import EPOCHS, toy_run

from training.checkpoint import load_checkpoint, load_tensors
from training.context import RunContext
from training.files import CheckpointError
from training.loop import DivergedError, Task, train
from training.options import CodebookRecipe
from training.stages import codes
from training.stages.autoencoder import AutoencoderTask
from training.stages.prior import PriorTask
from training.state import TrainedStage

STEPS = 10  # of an epoch: 340 training pictures in batches of 32


class Killed(BaseException):
    """The process is gone: nothing may catch it."""


def task_of(context: RunContext, stage: TrainedStage) -> AutoencoderTask | PriorTask:
    return PriorTask(context) if stage == "prior" else AutoencoderTask(context, stage)


def train_stage(context: RunContext, stage: TrainedStage, kill_at: int | None = None) -> int:
    """Train a stage, killed instead of taking its `kill_at`-th step in this process; returns the steps taken."""
    task = task_of(context, stage)
    loss, taken = task.loss, 0

    def counted(rows: Tensor, seed: int) -> tuple[Tensor, Mapping[str, Tensor]]:
        nonlocal taken
        if taken == kill_at:
            raise Killed
        taken += 1
        return loss(rows, seed)

    vars(task)["loss"] = counted
    train(context, task, getattr(context.recipe.stages, stage))
    return taken


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_idx_folder(tmp_path_factory.mktemp("data") / "toy", toy_split(400), toy_split(30, seed=1))


@pytest.fixture(scope="module")
def unbroken(data: Path, tmp_path_factory: pytest.TempPathFactory) -> RunContext:
    context = toy_run(data, tmp_path_factory.mktemp("unbroken"), checkpoint_seconds=1e9)
    train_stage(context, "autoencoder")
    train_stage(context, "ordered")
    codes.run(context)
    train_stage(context, "prior")
    return context


def copy_inputs(unbroken: RunContext, context: RunContext) -> None:
    for source, target in (
        (unbroken.weights_path("autoencoder"), context.weights_path("autoencoder")),
        (unbroken.weights_path("ordered"), context.weights_path("ordered")),
        (unbroken.codes_path, context.codes_path),
    ):
        target.write_bytes(source.read_bytes())


@pytest.mark.parametrize("stage", ["autoencoder", "ordered", "prior"])
@pytest.mark.parametrize(
    ("checkpoint_seconds", "kills"),
    [(0.0, [1, 1]), (0.0, [9, 1, 10]), (1e9, [5]), (1e9, [13, 19])],
    ids=["mid-epoch twice", "around an epoch's end", "before any checkpoint", "back to an epoch's end twice"],
)
def test_killed_and_resumed_is_the_same_to_the_last_bit(
    unbroken: RunContext, data: Path, tmp_path: Path, stage: TrainedStage, checkpoint_seconds: float, kills: list[int]
) -> None:
    context = toy_run(data, tmp_path, checkpoint_seconds)
    copy_inputs(unbroken, context)
    for kill_at in kills:
        with pytest.raises(Killed):
            train_stage(toy_run(data, tmp_path, checkpoint_seconds), stage, kill_at)
    torch.rand(17)  # the global generator is elsewhere in another process
    taken = train_stage(context, stage)
    assert context.weights_path(stage).read_bytes() == unbroken.weights_path(stage).read_bytes()
    assert context.checkpoint_path(stage).read_bytes() == unbroken.checkpoint_path(stage).read_bytes()
    if checkpoint_seconds == 0:
        assert taken == STEPS * EPOCHS - sum(kills)


def test_a_codebook_that_follows_its_vectors_goes_on_to_the_last_bit(data: Path, tmp_path: Path) -> None:
    codebook = CodebookRecipe(learning="average", decay=0.8, revive=0.3, estimator="rotation")
    unbroken, broken = (toy_run(data, tmp_path / name, codebook=codebook) for name in ("unbroken", "broken"))
    train_stage(unbroken, "autoencoder")
    for kill_at in (3, 14):
        with pytest.raises(Killed):
            train_stage(broken, "autoencoder", kill_at)
    train_stage(broken, "autoencoder")
    weights = broken.weights_path("autoencoder")
    assert weights.read_bytes() == unbroken.weights_path("autoencoder").read_bytes()
    start = AutoencoderTask(unbroken, "autoencoder")
    start.start()
    assert not torch.allclose(load_tensors(weights)["quantiser.codebook"], start.network.quantiser.codebook, atol=0.1)


def test_another_seed_is_another_model(unbroken: RunContext, data: Path, tmp_path: Path) -> None:
    context = toy_run(data, tmp_path)
    train_stage(context, "autoencoder")
    assert context.weights_path("autoencoder").read_bytes() == unbroken.weights_path("autoencoder").read_bytes()
    other = RunContext(
        context.recipe.model_copy(update={"seed": 4}), context.dataset, tmp_path / "b", context.device, context.progress
    )
    train_stage(other, "autoencoder")
    assert other.weights_path("autoencoder").read_bytes() != unbroken.weights_path("autoencoder").read_bytes()


def test_a_finished_stage_takes_no_more_steps(unbroken: RunContext) -> None:
    before = unbroken.weights_path("ordered").read_bytes()
    assert train_stage(unbroken, "ordered") == 0
    assert unbroken.weights_path("ordered").read_bytes() == before


@pytest.mark.parametrize("stage", ["autoencoder", "ordered", "prior"])
def test_training_learns_and_keeps_the_best_epoch(unbroken: RunContext, stage: TrainedStage) -> None:
    task = task_of(unbroken, stage)
    task.start()
    task.network.eval()
    untrained = task.validate()[task.criterion]
    task.network.load_state_dict(load_tensors(unbroken.weights_path(stage)))
    best = task.validate()[task.criterion]
    assert best == pytest.approx(load_checkpoint(unbroken.weights_path(stage)).facts["loss"])
    assert best < untrained


class Rising(AutoencoderTask):
    """A task whose validation gets worse every epoch, or stops being a number."""

    def __init__(self, context: RunContext, values: list[float]) -> None:
        super().__init__(context, "autoencoder")
        self.values = values

    def validate(self) -> Mapping[str, float]:
        return {self.criterion: self.values.pop(0)}


def train_rising(context: RunContext, values: list[float]) -> None:
    task: Task = Rising(context, values)
    settings = context.recipe.stages.autoencoder
    assert settings is not None
    train(context, task, settings)


def test_the_best_epoch_is_the_lowest_and_the_first_of_equals(data: Path, tmp_path: Path) -> None:
    context = toy_run(data, tmp_path)
    train_rising(context, [3.0, 2.0, 2.0])
    assert load_checkpoint(context.weights_path("autoencoder")).facts == {"epoch": 1, "loss": 2.0}


def test_a_loss_that_is_no_number_names_the_field_to_change(data: Path, tmp_path: Path) -> None:
    context = toy_run(data, tmp_path)
    with pytest.raises(DivergedError, match=r"in epoch 2; lower stages\.autoencoder\.learning_rate"):
        train_rising(context, [3.0, float("nan")])
    assert not context.weights_path("autoencoder").exists()


def test_a_damaged_checkpoint_is_not_trained_over(data: Path, tmp_path: Path) -> None:
    context = toy_run(data, tmp_path)
    context.checkpoint_path("autoencoder").parent.mkdir()
    context.checkpoint_path("autoencoder").write_bytes(b"nonsense")
    with pytest.raises(CheckpointError, match=r"autoencoder\.safetensors: is damaged"):
        train_stage(context, "autoencoder")
