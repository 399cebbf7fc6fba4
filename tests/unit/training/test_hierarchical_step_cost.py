"""What a training step takes, part by part."""

from __future__ import annotations

import pytest
from toy_hierarchy import toy_values
from typer.testing import CliRunner

import anytime
from models.errors import AnytimeError
from training.hierarchical.recipe import HierarchicalRecipe
from training.hierarchical.step_cost import StepCost, step_costs


def test_levels_and_prior_are_measured_each_by_itself() -> None:
    """Also a level that is trained by self-prediction, on the codes of one with two channels."""
    recipe = HierarchicalRecipe.model_validate(toy_values())
    levels = recipe.stages.levels
    first, second, prior = step_costs(recipe, batch=2, steps=2, examples=1000, labels=3, threads=1)
    assert [each.part for each in (first, second, prior)] == ["level-1", "level-2", "prior"]
    assert [each.symbols for each in (first, second, prior)] == [4 * 4, 4 * 4 * 2, 2 * 2]
    assert (first.whole_batch, first.steps) == (levels[0].batch, 1000 // levels[0].batch * levels[0].epochs)
    for each in (first, second, prior):
        assert each.seconds > 0
        assert each.processor_seconds > 0
        assert each.state_bytes == 5 * 4 * each.parameters
        assert each.peak_bytes > each.state_bytes


def test_what_grows_with_the_batch_is_told_from_what_does_not() -> None:
    cost = StepCost("prior", 10, 64, 2, 3.0, 3.0, state_bytes=100, peak_bytes=160, whole_batch=64, steps=1000)
    assert cost.whole_bytes == 100 + 60 * 32
    assert cost.days == pytest.approx(1000 * 3.0 * 32 / 86400)


def test_recipes_of_other_kinds_are_refused() -> None:
    with pytest.raises(AnytimeError, match="no hierarchical recipe"):
        CliRunner().invoke(anytime.app, ["hierarchy", "step", "fashion-mnist"], catch_exceptions=False)
