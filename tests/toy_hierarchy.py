"""A recipe of three levels, as the paper counts them, for the toy data: both kinds of auxiliary decoder, few steps."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from toy_recipe import STAGE

from training.data.dataset import prepare
from training.data.sources import open_source
from training.hierarchical.context import HierarchicalContext
from training.hierarchical.recipe import HierarchicalRecipe
from training.progress import RunProgress

NET = {"layers": 1, "hidden": 8, "bottleneck": 4}


def toy_values() -> dict[str, Any]:
    """8x8 pictures of 8 grey values, 4x4 codes of two channels, 2x2 codes by self-prediction, a prior that attends."""
    return {
        "kind": "hierarchical",
        "name": "toy-hierarchy",
        "seed": 3,
        "labels": ["top", "middle", "bottom"],
        "media": {"type": "image", "shape": [1, 8, 8]},
        "bits": 3,
        "levels": [
            {
                "reduction": 2,
                "codes": {"channels": 2, "bits": 3, "dim": 4},
                "encoder": NET,
                "auxiliary": {"kind": "feed-forward", "network": NET},
                "modulator": NET,
                "local": {"layers": 2, "hidden": 8},
            },
            {
                "reduction": 2,
                "codes": {"bits": 3, "dim": 4},
                "encoder": NET,
                "auxiliary": {"kind": "masked", "network": NET, "teacher": NET, "size": 1},
                "modulator": NET,
                "local": {"layers": 2, "hidden": 8},
            },
        ],
        "prior": {
            "layers": 2,
            "hidden": 8,
            "residual": 12,
            "attention": 1,
            "heads": 2,
            "dropout": 0.1,
            "timing": "add",
        },
        "data": {"validation": 60},
        "stages": {
            "levels": [{**STAGE, "epochs": 2, "crop": 4}, {**STAGE, "epochs": 2}],
            "prior": {**STAGE, "epochs": 2, "label_dropout": 0.2},
        },
        "evaluate": {"images": 40, "reconstructions": 9, "samples_per_class": 4, "classifier_epochs": 1},
    }


def one_level_values() -> dict[str, Any]:
    """The same with its lower level alone."""
    values = toy_values()
    stages = {**values["stages"], "levels": values["stages"]["levels"][:1]}
    return {**values, "levels": [{**values["levels"][0], "codes": {"bits": 3, "dim": 4}}], "stages": stages}


def toy_hierarchy_run(
    data: Path, directory: Path, checkpoint_seconds: float = 0.0, values: dict[str, Any] | None = None
) -> HierarchicalContext:
    """A run on the CPU that checkpoints after every step unless told otherwise, and whose progress nobody sees."""
    recipe = HierarchicalRecipe.model_validate(values or toy_values())
    dataset = prepare(open_source(str(data)), recipe)
    progress = RunProgress(directory / "logs", Console(file=io.StringIO()))
    return HierarchicalContext(recipe, dataset, directory, torch.device("cpu"), progress, checkpoint_seconds)
