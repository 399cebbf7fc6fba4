"""What a run and each of its stages follow from, as a digest: equal digests mean equal results.

Only what differs from its default goes in, so that an option which is added to recipes later, and left alone, changes
no digest and finished runs are found again.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pydantic import BaseModel

from training.recipe import Recipe
from training.state import STAGES, StageName

SHOWN = 16  # digits of a digest that name a folder


def run_key(recipe: Recipe, data: str) -> str:
    """The name of the folder of a run: a digest of its recipe, but for name and description, and its data.

    Args:
        recipe: with the labels that it has from the data, if it names none.
        data: fingerprint of the data set.
    """
    return _digest({**_all(recipe), "fingerprint": data})[:SHOWN]


def stage_keys(recipe: Recipe, data: str) -> dict[StageName, str]:
    """A digest for each of the recipe's stages, of all that its result follows from.

    Each takes in the one before it. Evaluation and export follow from the whole recipe.
    """
    stages = recipe.stages
    parts: dict[StageName, Any] = {
        "autoencoder": {
            "seed": recipe.seed,
            "fingerprint": data,
            **{name: essence(getattr(recipe, name)) for name in ("media", "data", "autoencoder", "codebook")},
            "stage": essence(stages.autoencoder),
        },
        "ordered": essence(stages.ordered),
        "codes": None,
        "prior": {"labels": recipe.labels, "prior": essence(recipe.prior), "stage": essence(stages.prior)},
        "evaluate": _all(recipe),
        "export": None,
    }
    keys: dict[StageName, str] = {}
    before = ""
    for stage in STAGES:
        if stage == "ordered" and stages.ordered is None:
            continue
        before = _digest([before, stage, parts[stage]])
        # Without this stage, its part still says what the next one begins with.
        if stage != "autoencoder" or stages.autoencoder is not None:
            keys[stage] = before
    return keys


def essence(value: Any) -> Any:
    """A configuration value as JSON: its kind, and the fields that differ from their defaults."""
    if isinstance(value, BaseModel):
        fields = type(value).model_fields
        differing = {name: item for name, item in value if item != fields[name].get_default(call_default_factory=True)}
        # The kind, because the fields of two kinds may be the same.
        return {
            "kind": type(value).__name__,
            **{name: essence(item) for name, item in differing.items() if name != "kind"},
        }
    if isinstance(value, tuple | list):
        return [essence(item) for item in value]
    return value


def _all(recipe: Recipe) -> dict[str, Any]:
    values: dict[str, Any] = essence(recipe.model_copy(update={"name": "", "description": ""}))
    return values


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
