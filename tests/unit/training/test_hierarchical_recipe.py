"""Recipes of hierarchical models: what they say, and what is wrong with them in one sentence."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from toy_hierarchy import toy_values

from models.errors import RecipeError
from models.hierarchical.named import PAPER
from training.hierarchical.recipe import POLYAK, HierarchicalRecipe
from training.recipe import load_any_recipe, load_recipe, parse_as

HEADLESS = {"name": "x", "media": {"type": "image", "shape": [3, 128, 128]}, "data": {"validation": 10}}


def parse(values: dict[str, Any]) -> HierarchicalRecipe:
    return parse_as(HierarchicalRecipe, values, "here")


@pytest.mark.parametrize("name", PAPER)
def test_the_papers_recipes_have_the_papers_sizes(name: str) -> None:
    recipe = load_any_recipe(name)
    assert isinstance(recipe, HierarchicalRecipe)
    assert recipe.hierarchy == PAPER[name]
    assert {stage.average for stage in (*recipe.stages.levels, recipe.stages.prior)} == {POLYAK} == {0.9999}
    assert recipe.stages.prior.batch == 2048
    assert {stage.crop for stage in recipe.stages.levels} == {64}


def test_a_recipe_goes_through_json_unchanged() -> None:
    for name in ("paper-256-masked", "hierarchical-fashion-mnist-three"):
        recipe = load_any_recipe(name)
        assert HierarchicalRecipe.model_validate_json(recipe.model_dump_json()) == recipe


def test_levels_are_as_the_recipe_spells_them_out() -> None:
    recipe = parse(toy_values())
    shapes = [(grid.channels, grid.height, grid.width, grid.bits) for grid in recipe.hierarchy.grids]
    assert shapes == [(1, 8, 8, 3), (2, 4, 4, 3), (1, 2, 2, 3)]
    assert recipe.codebook.learning == "average"
    assert all(stage.average_warmup for stage in (*recipe.stages.levels, recipe.stages.prior))


def changed(*path: str | int, to: Any) -> dict[str, Any]:
    values = copy.deepcopy(toy_values())
    part: Any = values
    for name in path[:-1]:
        part = part[name]
    part[path[-1]] = to
    return values


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (changed("bits", to=9), "bits: input should be less than or equal to 8, got 9"),
        (changed("levels", 0, "reduction", to=16), "levels.0.reduction: 16 does not divide 8 x 8"),
        (changed("levels", 0, "reduction", to=3), "levels.0: reduction (3) must be a power of two"),
        (changed("levels", 1, "auxiliary", "size", to=2), "levels.1.auxiliary: size (2) must be odd"),
        (changed("levels", 0, "encoder", "depth", to=2), "levels.0.encoder.depth: is not a field of a recipe"),
        (changed("levels", 1, "codes", "channels", to=2), "prior.attention: is for grids of one channel"),
        (changed("prior", "hidden", to=0), "prior.hidden: input should be greater than 0, got 0"),
        (changed("stages", "levels", 0, "crop", to=3), "stages.levels.0.crop: 3 is not made of whole codes"),
        (changed("stages", "levels", 0, "crop", to=16), "stages.levels.0.crop: 16 is larger than the level's grid"),
        (changed("stages", "levels", to=[]), "stages.levels: there must be one for each of 2 levels, got 0"),
        (changed("stages", "levels", 1, "compile", to=True), "stages.levels.1.compile: is not for levels"),
        (changed("codebook", to={"learning": "gradient"}), "codebook.learning: input should be 'average'"),
        (
            changed("media", to={"type": "audio", "shape": [1, 8], "sample_rate": 8}),
            "media: hierarchical models are of",
        ),
        (changed("labels", to=["a", "a"]), "labels: labels must be distinct"),
        (changed("model", to="paper-128-masked"), "bits: is given by model = 'paper-128-masked'; leave out one"),
        ({**HEADLESS, "model": "paper-128-maskd"}, "did you mean"),
        ({**HEADLESS, "model": "paper-256-masked"}, "media.shape: is [3, 256, 256] in model = 'paper-256-masked'"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_sentence(values: dict[str, Any], said: str) -> None:
    with pytest.raises(RecipeError) as caught:
        parse(values)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("read", "text", "said"),
    [
        (
            load_any_recipe,
            'kind = "hierarchic"',
            "kind: should be 'hierarchical' or 'refined', or left out, got 'hierarchic'",
        ),
        (load_recipe, 'kind = "hierarchical"', "kind: is a hierarchical model's recipe, where an ordered model's is"),
    ],
)
def test_kinds_are_not_mixed_up(read: Callable[[str], object], text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(RecipeError, match=said):
        read(str(tmp_path / "mine.toml"))
