"""Predictability of codes: what is compared, what each run measures, and which directions hold."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import torch
from PIL import Image
from rich.console import Console
from toy_data import toy_split, write_idx_folder
from toy_hierarchy import NET, one_level_values, toy_values

from models.errors import RecipeError
from models.hierarchical.config import MaskedConfig
from training.data.dataset import prepare
from training.data.sources import open_source
from training.evaluation.intervals import Estimate
from training.hierarchical.predictability import (
    Auxiliary,
    Found,
    Predictability,
    auxiliaries,
    figure,
    measure,
    recipe_with,
    signs,
    summary,
)
from training.hierarchical.recipe import HierarchicalRecipe
from training.progress import RunProgress

RECIPE = HierarchicalRecipe.model_validate(one_level_values())
COMPARED = auxiliaries([2], [1])
SEEDS = (0, 1)


def run(folder: Path, lines: list[str]) -> Found:
    """Train all of them on toy data."""
    data = folder / "data"
    if not data.exists():
        write_idx_folder(data, toy_split(150), toy_split(30, seed=1))
    source, quiet = open_source(str(data)), Console(file=io.StringIO())
    return measure(
        RECIPE,
        COMPARED,
        SEEDS,
        folder,
        lambda recipe: prepare(source, recipe),
        torch.device("cpu"),
        lambda logs: RunProgress(logs, quiet),
        lines.append,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("predictability")


@pytest.fixture(scope="module")
def found(folder: Path) -> Found:
    return run(folder, [])


def made_up(*rows: tuple[Auxiliary, list[float]]) -> Found:
    return {
        each: {
            seed: Predictability(bits=Estimate(value=value, low=value, high=value), entropy_bits=3)
            for seed, value in enumerate(values)
        }
        for each, values in rows
    }


def test_both_halves_of_the_figure_share_what_they_have_in_common() -> None:
    assert auxiliaries([1, 2], [1, 5]) == [
        Auxiliary(1),
        Auxiliary(2),
        Auxiliary(1, 5),
        Auxiliary(2, 5),
        Auxiliary(2, 1),
    ]


def test_a_recipe_gets_another_decoder_and_keeps_the_rest() -> None:
    deep = recipe_with(RECIPE, Auxiliary(3), 9)
    (level,) = deep.hierarchy.levels  # not those of before
    assert level.auxiliary.network.model_dump() == {**NET, "layers": 3}
    assert (level.auxiliary.kind, deep.seed, deep.prior) == ("feed-forward", 9, RECIPE.prior)
    masked = recipe_with(RECIPE, Auxiliary(2, 3), 9).hierarchy.levels[0].auxiliary
    assert isinstance(masked, MaskedConfig)
    assert (masked.network.layers, masked.size, masked.teacher) == (2, 3, level.encoder)


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(RecipeError, match="one level, and it has 2"):
        recipe_with(HierarchicalRecipe.model_validate(toy_values()), Auxiliary(1), 0)
    with pytest.raises(RecipeError, match=r"masks of 4 x 4, 1 layer: .*must be odd"):
        recipe_with(RECIPE, Auxiliary(1, 4), 0)


def test_each_decoder_and_seed_shapes_codes_of_its_own(found: Found) -> None:
    bits = {facts.bits.value for by_seed in found.values() for facts in by_seed.values()}
    assert len(bits) == len(COMPARED) * len(SEEDS)
    assert all(0 < facts.entropy_bits <= 3 for by_seed in found.values() for facts in by_seed.values())


def test_finished_runs_are_not_trained_again(found: Found, folder: Path) -> None:
    def written() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in (folder / "runs").rglob("*.safetensors")}

    before, lines = written(), list[str]()
    assert run(folder, lines) == found
    assert written() == before
    assert len(lines) == len(COMPARED) * len(SEEDS)
    assert f"[1/6] feed-forward, 2 layers, seed 0: {folder / 'runs'}" in lines[0]


def test_a_direction_holds_if_seeds_agree() -> None:
    told = made_up(
        (Auxiliary(1), [2.0, 2.1, 2.2]),
        (Auxiliary(8), [2.5, 2.61, 2.7]),
        (Auxiliary(2), [2.3, 2.3, 2.3]),
        (Auxiliary(2, 5), [2.0, 2.8, 2.3]),
        (Auxiliary(2, 1), [2.9, 2.1, 2.3]),
    )
    verdicts = {sign.statement: (round(sign.difference.value, 3), sign.holds) for sign in signs(told)}
    assert verdicts == {
        "feed-forward: 8 layers need more bits for a code than 1": (0.503, True),
        "masks of 1 x 1 need more bits for a code than of 5 x 5": (0.067, False),
        "2 layers: feed-forward needs more bits for a code than 5 x 5 masks": (-0.067, False),
    }


def test_one_seed_proves_nothing() -> None:
    (sign,) = signs(made_up((Auxiliary(1), [2.0]), (Auxiliary(2), [3.0])))
    assert (sign.difference.value, sign.holds) == (1.0, False)


def test_the_summary_and_both_halves_are_drawn_of_all_seeds(found: Found) -> None:
    facts = summary(RECIPE, found)
    assert [(row["layers"], row["mask"]) for row in facts["rows"]] == [(2, None), (2, 5), (2, 1)]
    first = facts["rows"][0]
    assert first["bits"]["count"] == len(first["by_seed"]) == len(SEEDS)
    halves = [figure(found, "layers"), figure(found, "masks")]
    for png in halves:
        assert Image.open(io.BytesIO(png)).size[0] > 500
    assert halves[0] != halves[1]
