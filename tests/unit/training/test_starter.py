"""The recipe that `anytime recipe` makes for a folder of pictures."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_files import ramp, write_image, write_sound
from typer.testing import CliRunner

import anytime
from models.errors import AnytimeError, RecipeError
from training import starter
from training.recipe import Recipe, parse_recipe
from training.starter import MOST_EPOCHS, write_starter


def made(folder: Path, size: int = 32, name: str | None = None) -> Recipe:
    return parse_recipe(tomllib.loads(write_starter(str(folder), size, name)), "made")


def test_it_fits_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "My Pets!"
    for number in range(15):
        write_image(folder / "train" / ("cat", "dog")[number % 2] / f"{number}.png", (40, 50))
        write_image(folder / "test" / "cat" / f"{number}.png", (40, 50))
    recipe = made(folder)
    assert recipe.name == "my-pets-"
    assert recipe.media.shape == (3, 32, 32)
    assert recipe.labels == ()
    assert recipe.data.crops == 1
    assert recipe.stages.prior.epochs == MOST_EPOCHS
    text = write_starter(str(folder), 32)
    assert "# Labels are the names of the subfolders: cat, dog.\n" in text
    assert f"30 pictures in {folder}" in text
    assert made(folder, name="pets").name == "pets"


def test_grey_pictures_have_one_channel_and_small_ones_are_noted(tmp_path: Path) -> None:
    for number in range(3):
        write_image(tmp_path / f"{number}.png", (20, 30), 7, "L")
    (tmp_path / "broken.png").write_bytes(b"")
    assert made(tmp_path).media.shape == (1, 32, 32)
    assert "height, width; most files are smaller (20 pixels), and are enlarged\n" in write_starter(str(tmp_path), 32)
    write_image(tmp_path / "colour.png", (20, 30))
    assert made(tmp_path).media.shape == (3, 32, 32)


def test_a_few_large_pictures_become_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starter, "ENOUGH", 10)
    for number in range(4):
        write_image(tmp_path / f"{number}.jpg", (64, 90))
    assert made(tmp_path).data.crops == 3
    assert made(tmp_path, 48).data.crops == 1


def test_the_schedule_follows_the_number_of_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starter, "STEPS", {"autoencoder": 10, "ordered": 30, "prior": 1})
    for number in range(64):
        write_image(tmp_path / f"{number}.png")
    stages = made(tmp_path).stages
    assert stages.autoencoder is not None
    assert stages.ordered is not None
    assert (stages.autoencoder.epochs, stages.ordered.epochs, stages.prior.epochs) == (10, 30, 1)


@settings(deadline=None, max_examples=20)
@given(st.integers(5, 8), st.integers(1, 5))
def test_whatever_can_be_halved_makes_a_network(
    tmp_path_factory: pytest.TempPathFactory, places: int, halvings: int
) -> None:
    folder = tmp_path_factory.getbasetemp() / "sizes"
    if not folder.exists():
        write_image(folder / "a.png")
    size = places << halvings
    assert made(folder, size).media.shape == (3, size, size)


@pytest.mark.parametrize("size", [-32, 0, 8, 9, 25, 36, 100, 250])
def test_a_size_that_cannot_be_halved(tmp_path: Path, size: int) -> None:
    write_image(tmp_path / "a.png")
    with pytest.raises(RecipeError, match=f"--size {size}: cannot be halved"):
        write_starter(str(tmp_path), size)


@pytest.mark.parametrize("name", ["Large", 'a"b', "a b", "", "-a", "x" * 65])
def test_a_name_that_no_model_may_have(tmp_path: Path, name: str) -> None:
    write_image(tmp_path / "a.png")
    with pytest.raises(RecipeError, match="--name"):
        write_starter(str(tmp_path), 32, name)


def test_folders_with_odd_names(tmp_path: Path) -> None:
    for label in ('line\nbreak"', "quote'"):
        write_image(tmp_path / "###" / label / "a.png")
    assert made(tmp_path / "###").name == "mine"
    assert "subfolders: line?break\", quote'.\n" in write_starter(str(tmp_path / "###"), 32)


def test_what_is_no_folder_of_pictures(tmp_path: Path) -> None:
    write_sound(tmp_path / "sound" / "a.wav", ramp(3))
    write_image(tmp_path / "damaged" / "a.png").write_bytes(b"nothing")
    for folder, said in (("sound", "is no plain folder of image"), ("damaged", "cannot be read"), ("no", "no such")):
        with pytest.raises(AnytimeError, match=said):
            write_starter(str(tmp_path / folder), 32)


def test_the_command_prints_it(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png")
    result = CliRunner().invoke(anytime.app, ["recipe", "--data", str(tmp_path), "--size", "64", "--name", "a"])
    assert result.exit_code == 0, result.output
    assert result.output == write_starter(str(tmp_path), 64, "a")
