"""Recipes without the stage that orders the codes."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from toy_data import toy_split, write_idx_folder
from toy_recipe import toy_run

from training import pipeline
from training.checkpoint import save_checkpoint
from training.context import RunContext
from training.stages.autoencoder import AutoencoderTask


@pytest.fixture
def unordered(tmp_path: Path) -> RunContext:
    context = toy_run(write_idx_folder(tmp_path / "data", toy_split(400), toy_split(30, seed=1)), tmp_path / "run")
    stages = context.recipe.stages.model_copy(update={"ordered": None})
    return replace(context, recipe=context.recipe.model_copy(update={"stages": stages}))


def test_every_stage_but_that_one_runs(unordered: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []

    def note(stage: str, _: RunContext) -> None:
        ran.append(stage)

    for stage in pipeline.STAGE_FUNCTIONS:
        monkeypatch.setitem(pipeline.STAGE_FUNCTIONS, stage, partial(note, stage))
    pipeline.run(unordered)
    assert ran == ["autoencoder", "codes", "prior", "evaluate", "export"]


def test_the_full_length_weights_are_what_ships(unordered: RunContext) -> None:
    task = AutoencoderTask(unordered, "autoencoder")
    task.start()
    save_checkpoint(unordered.weights_path("autoencoder"), task.network.state_dict(), {})
    shipped = unordered.autoencoder().quantiser.codebook
    assert torch.equal(shipped, task.network.quantiser.codebook.half().float())


def test_a_stage_that_the_recipe_lacks_cannot_be_trained(unordered: RunContext) -> None:
    with pytest.raises(ValueError, match="no stage that orders"):
        AutoencoderTask(unordered, "ordered")
