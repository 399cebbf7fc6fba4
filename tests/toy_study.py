"""A study of the toy recipe, small enough to be trained in a test, and invented reports of runs that never were."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from toy_recipe import toy_recipe

from models.config import SamplingDefaults
from training.evaluation.intervals import Estimate, proportion
from training.evaluation.report import (
    Curve,
    DataFacts,
    DistanceFacts,
    ExtractorFacts,
    FractionFacts,
    ReconstructionFacts,
    Report,
    SampleFacts,
)
from training.recipe import Recipe, parse_recipe
from training.report.collect import Finished, Runs

BASE: dict[str, Any] = {**toy_recipe().model_dump(mode="json"), "labels": []}
FIGURE = {"figure": "4a", "claim": "Ordered is better."}
UNORDERED = {"remove": ["stages.ordered"]}


def study_values(**changes: Any) -> dict[str, Any]:
    """A study of the toy recipe as its file has it: ordered against unordered, two seeds."""
    return {
        "title": "Toy",
        "base": BASE,
        "seeds": [0, 1],
        "variants": {"ordered": {}, "unordered": UNORDERED},
        "figures": [FIGURE],
        **changes,
    }


def toml(values: Mapping[str, Any]) -> str:
    """Values as TOML: JSON's strings, numbers and arrays are TOML's, tables are written inline."""
    return "\n".join(f"{key} = {_inline(value)}" for key, value in values.items()) + "\n"


def _inline(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f'"{k}" = {_inline(v)}' for k, v in value.items() if v is not None) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_inline(item) for item in value) + "]"
    return json.dumps(value)


def write_study(folder: Path, name: str = "toy", **changes: Any) -> Path:
    """Write the toy study's file."""
    path = folder / f"{name}.toml"
    path.write_text(toml(study_values(**changes)), encoding="utf-8")
    return path


def invented(
    recipe: Recipe,
    errors: Sequence[float],
    distances: Sequence[float],
    *,
    pca: Sequence[float] = (10, 9, 8, 7, 6, 5, 4),
    recognised: Sequence[int] = (),
    fractions: Sequence[float] = (0.2, 0.4, 0.6, 0.8, 1.0),
    train_images: int = 100,
    extractor: str = "invented",
) -> Finished:
    """A finished run with these numbers: errors by length, 0 .. K, and distances by fraction."""
    codes = len(errors) - 1
    hits = recognised or [50] * len(fractions)
    by_fraction = tuple(
        FractionFacts(
            fraction=fraction,
            codes=max(1, round(fraction * codes)),
            distance=_exact(distance),
            recognition=proportion(hit, 100),
            recognition_by_label={},
        )
        for fraction, distance, hit in zip(fractions, distances, hits, strict=True)
    )
    report = Report(
        model="invented",
        model_version="1",
        codes=codes,
        codebook=8,
        seed=recipe.seed,
        data=DataFacts(
            name="toy",
            licence=None,
            fingerprint="d",
            shape=(1, 8, 8),
            train_images=train_images,
            test_images=9,
            trained_on=True,
        ),
        extractor=ExtractorFacts(name=extractor, features=4, epochs=1, seed=0, test_accuracy=proportion(9, 10)),
        reconstruction=ReconstructionFacts(
            images=9, model=_curve(errors), pca=_curve(pca), pca_clamped=_curve(pca), below_pca=(), quality=None
        ),
        quality_curve=(0.0, 1.0),
        distance=DistanceFacts(
            name=f"FD ({extractor})",
            reference="real test images",
            reference_images=9,
            floor=(1, 1),
            floor_images=9,
            reconstructions=2,
            reconstructions_recognised=proportion(1, 2),
        ),
        samples=SampleFacts(count=100, seed=0, sampling=SamplingDefaults(), fractions=by_fraction, distance_drop=()),
        claims=(),
        versions={"python": "3"},
    )
    return Finished(Path("nowhere"), recipe, "d", report, None)


def recipe_with(seed: int, **changes: Any) -> Recipe:
    """The toy recipe with a seed and other parts."""
    return parse_recipe({**BASE, "seed": seed, **changes}, "test")


def without_ordering(seed: int) -> Recipe:
    """The toy recipe without the stage that orders."""
    stages = {name: stage for name, stage in BASE["stages"].items() if name != "ordered"}
    return recipe_with(seed, stages=stages)


def together(**variants: Sequence[Finished]) -> Runs:
    """Runs by variant and seed."""
    by_seed = {name.replace("_", "-"): {run.recipe.seed: run for run in runs} for name, runs in variants.items()}
    return Runs(by_seed, {name: name for name in by_seed})


def _curve(errors: Sequence[float]) -> Curve:
    gains = [before - after for before, after in pairwise(errors)]
    return Curve(errors=tuple(map(_exact, errors)), errors_per_pixel=tuple(errors), gains=tuple(map(_exact, gains)))


def _exact(value: float) -> Estimate:
    return Estimate(value=value, low=value, high=value)
