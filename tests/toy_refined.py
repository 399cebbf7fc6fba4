"""A recipe of a refined model for the toy data: few steps, over an ordered model with random weights."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch
from factories import LABELS, tiny_networks
from rich.console import Console
from toy_hierarchy import NET
from toy_recipe import STAGE, toy_recipe

from models.bundle.writer import write_bundle
from training.data.dataset import prepare
from training.data.sources import open_source
from training.evaluation.provenance import provenance
from training.progress import RunProgress
from training.refined.context import RefinedContext
from training.refined.recipe import RefinedRecipe


def toy_refined_values(base: Path | str) -> dict[str, Any]:
    """Over 8x8 pictures of six codes, pixels of 8 grey values."""
    manifest = tiny_networks().manifest
    return {
        "kind": "refined",
        "name": "toy-refined",
        "seed": 3,
        "base": str(base),
        "labels": list(LABELS),
        "media": manifest.media.model_dump(mode="json", exclude_none=True),
        "refiner": {"bits": 3, "modulator": NET, "local": {"layers": 2, "hidden": 8}, "relative_temperature": 1.2},
        "data": {"validation": 60},
        "stage": {**STAGE, "crop": 4},
        "evaluate": {"images": 40, "reconstructions": 9, "samples_per_class": 4, "classifier_epochs": 1},
    }


def write_base(folder: Path, data: Path) -> Path:
    """Write an ordered model with random weights, whose bundle says that it was trained on this data."""
    recipe, networks = toy_recipe(), tiny_networks()
    training = provenance(recipe, prepare(open_source(str(data)), recipe))
    manifest = networks.manifest.model_copy(update={"training": training})
    write_bundle(folder, manifest, networks.autoencoder, networks.prior)
    return folder


def toy_refined_run(data: Path, directory: Path, values: dict[str, Any], checkpoint_seconds: float) -> RefinedContext:
    """A run on the CPU whose progress nobody sees."""
    recipe = RefinedRecipe.model_validate(values)
    dataset = prepare(open_source(str(data)), recipe)
    progress = RunProgress(directory / "logs", Console(file=io.StringIO()))
    return RefinedContext(recipe, dataset, directory, torch.device("cpu"), progress, checkpoint_seconds)
