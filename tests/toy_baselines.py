"""Recipes of the baselines for the toy data: a few steps each."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, TypeVar

import torch
from factories import TRANSFORMER
from rich.console import Console

from training.baselines.options import PCAPriorRecipe, VAERecipe
from training.context import Run
from training.data.dataset import prepare
from training.data.sources import open_source
from training.progress import RunProgress

AnyBaseline = TypeVar("AnyBaseline", VAERecipe, PCAPriorRecipe, VAERecipe | PCAPriorRecipe)
STAGE = {"epochs": 2, "batch": 32, "learning_rate": 3e-3, "schedule": "cosine"}
COMMON = {"seed": 3, "media": {"type": "image", "shape": [1, 8, 8]}, "data": {"validation": 60}}


def vae_values(**stage: Any) -> dict[str, Any]:
    """6 latents of 8x8 pictures."""
    network = {"latents": 6, "channels": 4, "filters": [4, 3], "strides": [2, 1], "widths": [8]}
    stages = {"standard": {**STAGE, **stage}, "ordered": {**STAGE, **stage}}
    return {**COMMON, "kind": "vae", "name": "toy-vae", "network": network, "stages": stages}


def pca_prior_values() -> dict[str, Any]:
    """16 numbers of 4x4 pictures, in 16 bins."""
    return {
        **COMMON,
        "kind": "pca-prior",
        "name": "toy-pca-prior",
        "shrink": 2,
        "bins": 16,
        "prior": TRANSFORMER.model_dump(),
        "stages": {"pixels": STAGE, "coefficients": STAGE},
        "evaluate": {"samples": 3},
    }


def toy_vae(**stage: Any) -> VAERecipe:
    return VAERecipe.model_validate(vae_values(**stage))


def toy_pca_prior() -> PCAPriorRecipe:
    return PCAPriorRecipe.model_validate(pca_prior_values())


def toy_baseline(recipe: AnyBaseline, data: Path, directory: Path, checkpoint_seconds: float = 1e9) -> Run[AnyBaseline]:
    dataset = prepare(open_source(str(data)), recipe)
    progress = RunProgress(directory / "logs", Console(file=io.StringIO()))
    return Run(recipe, dataset, directory, torch.device("cpu"), progress, checkpoint_seconds)
