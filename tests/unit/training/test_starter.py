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
from models.config import ResidualConfig
from models.errors import AnytimeError, DataError, RecipeError
from training import starter
from training.options import AutoencoderKind as Kind
from training.recipe import Recipe, parse_recipe
from training.starter import MOST_EPOCHS, write_starter


def made(folder: Path, size: int = 32, name: str | None = None, kind: Kind = Kind.CONVOLUTIONAL) -> Recipe:
    return parse_recipe(tomllib.loads(write_starter(str(folder), size, name, kind)), "made")


def test_it_fits_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "My Pets!"
    for number in range(20):
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
    assert f"40 pictures in {folder}" in text
    assert made(folder, name="pets").name == "pets"


def test_grey_pictures_have_one_channel_and_small_ones_are_noted(tmp_path: Path) -> None:
    for number in range(20):
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
    paper = {"autoencoder": 10, "ordered": 30, "prior": 1}
    monkeypatch.setattr(starter, "STEPS", {Kind.CONVOLUTIONAL: paper, Kind.RESIDUAL: {"ordered": 20, "prior": 2}})
    for number in range(64):
        write_image(tmp_path / f"{number}.png")
    stages = made(tmp_path).stages
    assert stages.autoencoder is not None
    assert stages.ordered is not None
    assert (stages.autoencoder.epochs, stages.ordered.epochs, stages.prior.epochs) == (10, 30, 1)
    stages = made(tmp_path, kind=Kind.RESIDUAL).stages
    assert stages.autoencoder is None
    assert stages.ordered is not None
    assert (stages.ordered.epochs, stages.prior.epochs) == (20, 2)


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


@pytest.mark.parametrize(("shape", "size", "width"), [("RGB", 64, 128), ("L", 8, 64), ("RGB", 9, 128), ("L", 25, 128)])
def test_the_residual_kind_takes_any_size(tmp_path: Path, shape: str, size: int, width: int) -> None:
    for number in range(40):
        write_image(tmp_path / f"{number}.png", (size, size), 7 if shape == "L" else (1, 2, 3), shape)
    network = made(tmp_path, size, kind=Kind.RESIDUAL).autoencoder
    assert isinstance(network, ResidualConfig)
    assert (network.width, network.codebook) == (width, 32)


@pytest.mark.parametrize("size", [-1, 0, 7, 129, 1000])
def test_but_not_the_very_small_and_the_very_large(tmp_path: Path, size: int) -> None:
    write_image(tmp_path / "a.png")
    with pytest.raises(RecipeError, match=f"--size {size}: .* 8 to 128 pixels; .* --kind convolutional"):
        write_starter(str(tmp_path), size, kind=Kind.RESIDUAL)


def test_a_codebook_is_placed_on_as_many_pictures_as_there_are(tmp_path: Path) -> None:
    def network(pictures: int) -> ResidualConfig:
        for number in range(pictures):
            write_image(tmp_path / f"{number}.png", (32, 32))
        found = made(tmp_path, kind=Kind.RESIDUAL).autoencoder
        assert isinstance(found, ResidualConfig)
        return found

    with pytest.raises(DataError, match=r"5 training pictures are too few .* needs 20; add some, or take --kind"):
        network(5)
    assert network(24).codebook == 16
    assert network(360).codebook == 256


@pytest.mark.parametrize("name", ["Large", 'a"b', "a b", "", "-a", "x" * 65])
def test_a_name_that_no_model_may_have(tmp_path: Path, name: str) -> None:
    write_image(tmp_path / "a.png")
    with pytest.raises(RecipeError, match="--name"):
        write_starter(str(tmp_path), 32, name)


def test_folders_with_odd_names(tmp_path: Path) -> None:
    for label in ('line\nbreak"', "quote'"):
        write_image(tmp_path / "###" / label / "a.png")
    assert made(tmp_path / "###").name == "mine"
    text = write_starter(str(tmp_path / "###"), 32)
    assert "subfolders: line?break\", quote'.\n" in text


def test_what_is_no_folder_of_pictures(tmp_path: Path) -> None:
    write_sound(tmp_path / "sound" / "a.wav", ramp(3))
    write_image(tmp_path / "damaged" / "a.png").write_bytes(b"nothing")
    for folder, said in (("sound", "is no plain folder of image"), ("damaged", "cannot be read"), ("no", "no such")):
        with pytest.raises(AnytimeError, match=said):
            write_starter(str(tmp_path / folder), 32)


def test_the_command_prints_it(tmp_path: Path) -> None:
    for number in range(20):
        write_image(tmp_path / f"{number}.png")
    arguments = ["recipe", "--data", str(tmp_path), "--size", "64", "--name", "a"]
    for kind in Kind:
        result = CliRunner().invoke(anytime.app, [*arguments, "--kind", kind])
        assert result.exit_code == 0, result.output
        assert result.output == write_starter(str(tmp_path), 64, "a", kind)
    assert CliRunner().invoke(anytime.app, arguments).output == write_starter(str(tmp_path), 64, "a")
