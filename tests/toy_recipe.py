"""A recipe for the toy data: three trained stages of a few steps each."""

from __future__ import annotations

import io
from pathlib import Path

import torch
from factories import CONVOLUTIONAL, TRANSFORMER, tiny_manifest
from rich.console import Console

from models.config import AnyAutoencoderConfig, PriorConfig
from training.context import RunContext
from training.data.dataset import prepare
from training.data.sources import open_source
from training.options import CodebookRecipe
from training.progress import RunProgress
from training.recipe import Recipe

EPOCHS = 3
STAGE = {"epochs": EPOCHS, "batch": 32, "learning_rate": 3e-3, "schedule": "cosine", "warmup": 0.2}


def toy_recipe(prior: PriorConfig = TRANSFORMER, autoencoder: AnyAutoencoderConfig = CONVOLUTIONAL) -> Recipe:
    """6 codes out of 8 on 8x8 pictures; dropout, weight decay, clipping and averaging all in use."""
    manifest = tiny_manifest("toy", prior=prior, autoencoder=autoencoder)
    return Recipe.model_validate(
        {
            **manifest.model_dump(include={"name", "description", "media", "labels", "autoencoder", "prior"}),
            "seed": 3,
            "data": {"validation": 60},
            "stages": {
                "autoencoder": STAGE,
                "ordered": STAGE,
                "prior": {**STAGE, "weight_decay": 0.01, "gradient_clip": 1.0, "average": 0.9, "label_dropout": 0.2},
            },
            "evaluate": {"images": 80, "samples_per_class": 20, "classifier_epochs": 2},
        }
    )


def toy_run(
    data: Path,
    directory: Path,
    checkpoint_seconds: float = 0.0,
    codebook: CodebookRecipe | None = None,
    prior: PriorConfig = TRANSFORMER,
    autoencoder: AnyAutoencoderConfig = CONVOLUTIONAL,
) -> RunContext:
    """A run of the toy recipe that checkpoints after every step unless told otherwise."""
    recipe = toy_recipe(prior, autoencoder).model_copy(update={"codebook": codebook or CodebookRecipe()})
    return run_of(recipe, data, directory, checkpoint_seconds)


def run_of(recipe: Recipe, data: Path, directory: Path, checkpoint_seconds: float = 0.0) -> RunContext:
    """A run of any recipe on the CPU, whose progress nobody sees."""
    progress = RunProgress(directory / "logs", Console(file=io.StringIO()))
    dataset = prepare(open_source(str(data)), recipe)
    return RunContext(recipe, dataset, directory, torch.device("cpu"), progress, checkpoint_seconds)
