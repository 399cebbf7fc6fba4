"""The recipe's `[data]`, and which label is which."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import torch
from factories import tiny_manifest
from rich.console import Console
from toy_data import toy_split
from toy_files import noise_image, recipe_for
from toy_recipe import toy_recipe
from typer.testing import CliRunner

import anytime
from models.bundle.manifest import Manifest
from models.errors import DataError, RecipeError
from training.context import RunContext
from training.data.dataset import Parts, Split, arrange
from training.data.labels import match_labels
from training.data.progress import PreparationProgress
from training.data.request import Request
from training.evaluation.subject import dataset_for
from training.random_bundle import write_random_bundle
from training.recipe import Recipe, parse_recipe

NAMES = ("a", "b", "c")


class Named:
    """A source in memory whose three labels have names."""

    def __init__(self, names: tuple[str, ...] | None = NAMES) -> None:
        self.names = names

    def load(self, request: Request) -> Parts:  # noqa: ARG002 - as every source
        return Parts(toy_split(200), toy_split(30), names=self.names)


def recipe_with(**data: Any) -> Recipe:
    return parse_recipe(toy_recipe().model_dump(mode="json") | {"data": {"validation": 60} | data}, "here")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        *(
            ({"validation": value}, "data.validation: must be a number of samples, or a share of them between 0 and 1")
            for value in (0, -1, 1.0, 2.5, 0.0, True, "x", None, [1], float("nan"))
        ),
        ({"test": 1}, "data.test: input should be less than 1, got 1"),
        ({"crops": 0}, "data.crops: input should be greater than 0, got 0"),
        ({"stride": 0}, "data.stride: input should be greater than 0, got 0"),
        ({"speaker": "(a"}, "data.speaker: is not a regular expression (missing ), unterminated subpattern"),
        ({"speaker": "a"}, "data.speaker: must have one group, the speaker, and has 0, got 'a'"),
        ({"speaker": "(a)(b)"}, "data.speaker: must have one group, the speaker, and has 2, got '(a)(b)'"),
        ({"crop": 2}, "data.crop: is not a field of a recipe"),
    ],
)
def test_a_malformed_option_is_one_sentence(data: dict[str, Any], said: str) -> None:
    with pytest.raises(RecipeError) as raised:
        recipe_with(**data)
    assert str(raised.value).startswith(f"here: {said}")


def test_validation_is_a_count_or_a_share() -> None:
    assert recipe_with(validation=60).data.held_out(1000) == 60
    assert recipe_with(validation=0.1).data.held_out(1000) == 100
    assert recipe_with(validation=0.001).data.held_out(10) == 1
    assert recipe_with(validation=60).model_dump(mode="json")["data"]["validation"] == 60


def test_a_share_of_data_without_files_is_held_out_by_the_seed() -> None:
    parts = Named().load(Request(toy_recipe().media, toy_recipe().data))
    share, count = (arrange(parts, recipe_for((1, 8, 8), validation=value)) for value in (0.25, 50))
    assert torch.equal(share.validation.images, count.validation.images)
    assert (len(share.train), len(share.validation)) == (150, 50)


def test_labels_are_named_by_the_data_the_recipe_or_their_numbers() -> None:
    assert match_labels(NAMES, (), 2, "the recipe") == (NAMES, None)
    assert match_labels(NAMES, NAMES, 2, "the recipe") == (NAMES, None)
    assert match_labels(None, NAMES, 1, "the recipe") == (NAMES, None)
    assert match_labels(None, (), 2, "the recipe") == (("0", "1", "2"), None)
    names, mapping = match_labels(NAMES, ("c", "a", "b"), 2, "the recipe")
    assert names == ("c", "a", "b")
    assert mapping is not None
    assert mapping.tolist() == [1, 2, 0]


def test_a_long_list_of_names_is_cut() -> None:
    many = tuple(map(str, range(30)))
    with pytest.raises(DataError, match=r"names the label 'x', but the data's labels are 0, 1, .*, 9 and 20 more"):
        match_labels(many, ("x",), 29, "the recipe")


def test_the_splits_are_relabelled_together() -> None:
    parts = Named().load(Request(toy_recipe().media, toy_recipe().data))
    plain, turned = (arrange(parts, recipe_for((1, 8, 8), names)) for names in ((), ("b", "c", "a")))
    for split in ("train", "validation", "test"):
        before, after = getattr(plain, split), getattr(turned, split)
        assert torch.equal(before.images, after.images)
        assert torch.equal((before.labels + 2) % 3, after.labels)
    assert plain.fingerprint == turned.fingerprint


def bundle_of(labels: tuple[str, ...], recipe: Recipe | None) -> Manifest:
    training = {} if recipe is None else {"recipe": recipe.model_dump(mode="json")}
    return tiny_manifest().model_copy(update={"labels": labels, "training": training})


@pytest.mark.parametrize("with_recipe", [True, False])
def test_a_bundle_is_evaluated_under_its_own_labels(with_recipe: bool) -> None:
    recipe = recipe_for((1, 8, 8), ("c", "b", "a")) if with_recipe else None
    dataset = dataset_for(bundle_of(("c", "b", "a"), recipe), Named(), "toy")
    assert dataset.labels == ("c", "b", "a")
    assert torch.equal(dataset.test.labels, 2 - toy_split(30).labels)
    with pytest.raises(DataError, match="bundle tiny names the label 'z', but the data's labels are a, b, c"):
        dataset_for(bundle_of(("z", "b", "a"), recipe), Named(), "toy")
    numbered = dataset_for(bundle_of(("c", "b", "a"), recipe), Named(names=None), "toy")
    assert torch.equal(numbered.test.labels, toy_split(30).labels)


def test_the_command_takes_the_labels_from_the_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(30):
        noise_image(tmp_path / "data" / "abc"[number % 3] / f"{number}.png", (12, 9), number)
    runs: list[RunContext] = []
    monkeypatch.setattr("training.cli.load_any_recipe", lambda _: recipe_for((1, 8, 8)))
    monkeypatch.setattr("training.cli.prepare_torch", lambda *_: torch.device("cpu"))
    monkeypatch.setattr("training.pipeline.run", runs.append)
    folders = ["--data", str(tmp_path / "data"), "--out", str(tmp_path / "run"), "--cache", str(tmp_path / "cache")]
    result = CliRunner().invoke(anytime.app, ["train", "any", *folders], catch_exceptions=False)
    assert result.exit_code == 0
    assert runs[0].recipe.labels == runs[0].dataset.labels == NAMES
    assert "data: preparing 30 files of " in result.output
    assert (tmp_path / "cache" / ".lock").exists()


def test_a_random_bundle_needs_no_labels(tmp_path: Path) -> None:
    assert write_random_bundle(tmp_path / "bundle", recipe_for((1, 8, 8)), 1).labels == ("all",)


def test_audio_is_between_minus_one_and_one() -> None:
    samples = torch.tensor([-32768, 0, 16384], dtype=torch.int16).reshape(1, 1, 3)
    batch = Split(samples, torch.zeros(1, dtype=torch.int64)).batch(slice(None), torch.device("cpu"))
    assert batch.flatten().tolist() == [-1.0, 0.0, 0.5]


def test_preparation_shows_a_bar_on_a_terminal_and_lines_elsewhere() -> None:
    plain, terminal = io.StringIO(), io.StringIO()
    for out, console in (
        (plain, Console(file=plain)),
        (terminal, Console(file=terminal, force_terminal=True, width=100, _environ={})),
    ):
        progress = PreparationProgress(console)
        assert list(progress.track(iter(range(3)), 3)) == [0, 1, 2]
        progress.say("3 files [not markup]")
        assert "data: 3 files [not markup]" in out.getvalue()
    assert plain.getvalue().count("\n") == 1
    assert "3/3" in terminal.getvalue()
