from __future__ import annotations

import io
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from factories import PRIORS
from rich.console import Console
from toy_data import toy_split, write_idx_folder
from toy_recipe import toy_run
from toy_sound import voices_recipe, write_voices

from training.audio.distance import LogMelDistance
from training.checkpoint import load_tensors, save_checkpoint
from training.context import RunContext
from training.data.dataset import prepare
from training.data.sources import open_source
from training.progress import RunProgress
from training.stages import codes, prior
from training.stages.autoencoder import AutoencoderTask
from training.stages.prior import PriorTask


@pytest.fixture
def context(tmp_path: Path) -> RunContext:
    """A run whose autoencoder is fresh, with a codebook placed on its output."""
    data = write_idx_folder(tmp_path / "data", toy_split(400), toy_split(30, seed=1))
    run = toy_run(data, tmp_path / "run")
    torch.manual_seed(0)
    task = AutoencoderTask(run, "autoencoder")
    task.start()
    for stage in ("autoencoder", "ordered"):
        save_checkpoint(run.directory / f"{stage}.safetensors", task.network.state_dict(), {})
    return run


def test_full_length_stage_is_equation_5(context: RunContext) -> None:
    task, rows = AutoencoderTask(context, "autoencoder"), torch.arange(7)
    task.start()
    x = context.dataset.train.batch(rows, context.device)
    settings = context.recipe.stages.autoencoder
    assert settings is not None
    expected = task.network.train_pass(x, torch.full((7,), task.codes), settings.commitment).losses.total
    assert task.loss(rows, seed=1)[0].item() == expected.item()


def test_ordered_stage_draws_a_length_for_every_picture(context: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    task, seen = AutoencoderTask(context, "ordered"), list[torch.Tensor]()
    task.start()
    train_pass = task.network.train_pass

    def recorded(x: torch.Tensor, lengths: torch.Tensor, *how: Any) -> object:
        seen.append(lengths)
        return train_pass(x, lengths, *how)

    monkeypatch.setattr(task.network, "train_pass", recorded)
    for seed in (1, 1, 2):
        task.loss(torch.arange(300), seed)
    assert torch.equal(seen[0], seen[1])
    assert not torch.equal(seen[0], seen[2])
    assert torch.unique(seen[0]).tolist() == [1, 2, 3, 4, 5, 6]
    assert seen[0].bincount()[1:].min() > 300 / 6 / 2

    seen.clear()
    task.validate()
    assert torch.cat(seen).bincount().tolist() == [0, 10, 10, 10, 10, 10, 10]


def test_ordered_stage_starts_from_the_full_length_weights(context: RunContext) -> None:
    task = AutoencoderTask(context, "ordered")
    task.start()
    full_length = load_tensors(context.weights_path("autoencoder"))
    assert all(torch.equal(tensor, full_length[name]) for name, tensor in task.network.state_dict().items())


def test_validation_does_not_depend_on_the_batch_it_runs_in(
    context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = AutoencoderTask(context, "ordered")
    task.start()
    whole = task.validate()
    monkeypatch.setattr("training.stages.autoencoder.VALIDATION_BATCH", 7)
    assert task.validate() == pytest.approx(whole, rel=1e-5)


def test_codes_are_those_of_the_shipped_autoencoder_in_the_splits_order(context: RunContext) -> None:
    codes.run(context)
    network = context.autoencoder()
    for found, split in (
        (context.codes("train"), context.dataset.train),
        (context.codes("validation"), context.dataset.validation),
    ):
        expected = network.encode_codes(split.batch(slice(None), context.device))
        assert torch.equal(found, expected)


def test_shipped_weights_survive_half_precision(context: RunContext) -> None:
    for parameter in context.autoencoder().parameters():
        assert parameter.dtype == torch.float32
        assert torch.equal(parameter, parameter.half().float())


def test_label_dropout_shows_the_null_label_to_its_share(context: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    codes.run(context)
    task, seen = PriorTask(context), list[torch.Tensor]()
    forward = task.network.forward

    def recorded(batch: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        seen.append(labels)
        return forward(batch, labels)

    monkeypatch.setattr(task.network, "forward", recorded)
    rows = torch.arange(task.examples)
    for seed in range(20):
        task.loss(rows, seed)
    labels = torch.stack(seen)
    null = labels == task.network.null_label
    assert null.double().mean().item() == pytest.approx(context.recipe.stages.prior.label_dropout, abs=0.02)
    assert torch.equal(labels[~null], context.dataset.train.labels.expand_as(labels)[~null])


def test_the_prior_trains_in_half_width_and_is_judged_in_full(context: RunContext) -> None:
    codes.run(context)
    stages = context.recipe.stages
    narrow = stages.model_copy(update={"prior": stages.prior.model_copy(update={"precision": "bfloat16"})})
    context = replace(context, recipe=context.recipe.model_copy(update={"stages": narrow}))
    task, widths = PriorTask(context), list[torch.dtype]()
    task.network.head.register_forward_hook(lambda _, __, logits: widths.append(logits.dtype))
    task.start()
    loss, _ = task.loss(torch.arange(20), seed=1)
    torch.autograd.backward(loss)
    assert loss.dtype == torch.float32
    assert all(weight.grad is not None and weight.grad.dtype == torch.float32 for weight in task.network.parameters())
    with torch.inference_mode():
        task.validate()
    assert widths[0] == torch.bfloat16
    assert set(widths[1:]) == {torch.float32}


@pytest.mark.parametrize("kind", PRIORS)
def test_a_prior_of_any_kind_learns_and_samples(context: RunContext, kind: str) -> None:
    codes.run(context)
    stages = context.recipe.stages
    long = stages.model_copy(update={"prior": stages.prior.model_copy(update={"epochs": 8})})
    context = replace(context, recipe=context.recipe.model_copy(update={"prior": PRIORS[kind], "stages": long}))
    fresh = PriorTask(context)
    fresh.network.eval()
    with torch.inference_mode():
        before = fresh.validate()
    prior.run(context)
    trained = PriorTask(context)
    trained.network = context.prior()
    with torch.inference_mode():
        after = trained.validate()
    assert trained.network.config == PRIORS[kind]
    assert before["loss"] == pytest.approx(math.log(8), abs=0.35)
    assert all(after[name] < before[name] - 0.25 for name in before), (before, after)


@pytest.mark.parametrize("kind", ["lstm", "pixelcnn"])
def test_other_kinds_train_in_half_width_too(context: RunContext, kind: str) -> None:
    codes.run(context)
    stages = context.recipe.stages
    narrow = stages.model_copy(update={"prior": stages.prior.model_copy(update={"precision": "bfloat16"})})
    context = replace(context, recipe=context.recipe.model_copy(update={"prior": PRIORS[kind], "stages": narrow}))
    task = PriorTask(context)
    loss, _ = task.loss(torch.arange(20), seed=1)
    torch.autograd.backward(loss)
    assert loss.dtype == torch.float32
    assert all(weight.grad is not None and weight.grad.dtype == torch.float32 for weight in task.network.parameters())


def test_prior_loss_is_the_cross_entropy_of_each_code(context: RunContext) -> None:
    codes.run(context)
    task = PriorTask(context)
    task.network.eval()
    held_out, labels = context.codes("validation"), context.dataset.validation.labels
    with torch.inference_mode():
        log_probabilities = task.network(held_out, labels).log_softmax(-1)
        expected = -log_probabilities.gather(2, held_out[..., None]).mean().item()
        assert task.validate()["loss"] == pytest.approx(expected, rel=1e-5)


def test_a_distance_of_spectrograms_is_added_with_its_weight(tmp_path: Path) -> None:
    recipe = voices_recipe()
    data = prepare(open_source(str(write_voices(tmp_path / "data", files=8)), "audio"), recipe, tmp_path / "cache")
    progress = RunProgress(tmp_path / "logs", Console(file=io.StringIO()))
    run = RunContext(recipe, data, tmp_path, torch.device("cpu"), progress)
    task, rows = AutoencoderTask(run, "autoencoder"), torch.arange(7)
    task.start()
    x = data.train.batch(rows, run.device)
    done = task.network.train_pass(x, torch.full((7,), task.codes), 0.25)
    heard = LogMelDistance(recipe.media)(done.output, x).mean()
    loss, parts = task.loss(rows, seed=1)
    assert loss.item() == pytest.approx((done.losses.total + 0.1 * heard).item())
    assert parts["spectral"].item() == pytest.approx(heard.item())
    values = task.validate()
    assert task.criterion == "distortion"
    assert values["distortion"] == pytest.approx(values["reconstruction"] + 0.1 * values["spectral"])


def test_without_it_squared_error_alone_counts(context: RunContext) -> None:
    task = AutoencoderTask(context, "ordered")
    assert task.criterion == "reconstruction"
    assert set(task.validate()) == {"loss", "reconstruction", "codebook use"}
