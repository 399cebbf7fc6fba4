"""The examples in the help of every command, and small things of the kinds and names that they speak of."""

from __future__ import annotations

import inspect
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import typer
from factories import tiny_audio_manifest, tiny_networks
from server_process import ROOT
from toy_baselines import pca_prior_values, vae_values
from toy_data import toy_split, write_idx_folder
from toy_files import write_image
from toy_hierarchy import one_level_values, toy_hierarchy_run, toy_values
from toy_study import BASE, study_values, toml
from typer.testing import CliRunner

import anytime
from models.bundle.writer import write_bundle
from service.access.keyfile import add_key
from service.recorded import write
from service.scheduler import Costs
from training.hierarchical.pipeline import run_hierarchical

Command = Any  # of the click that typer has inside
SEVERAL_THINGS = {"fractions": [0.2, 0.8, 1.0], "classifier_epochs": 1, "samples_per_class": 20, "images": 80}
STAGES = {"autoencoder": {"epochs": 12, "learning_rate": 0.01}, "ordered": {"epochs": 4}, "prior": {"epochs": 1}}


class Example(NamedTuple):
    """What a help says that one could type; `text` may have several lines."""

    command: str
    text: str


def commands(command: Command | None = None, name: str = "anytime") -> Iterator[tuple[str, Command]]:
    """The whole tree, by what is typed to get there."""
    command = typer.main.get_command(anytime.app) if command is None else command
    yield name, command
    for part, child in getattr(command, "commands", {}).items():
        yield from commands(child, f"{name} {part}")


def examples_of(name: str, command: Command) -> list[Example]:
    """What a command's help has after `Examples:`, between empty lines."""
    help_text = inspect.cleandoc(command.help or "")
    _, _, text = help_text.replace("Example:\n", "Examples:\n").partition("Examples:\n")
    return [Example(name, inspect.cleandoc("\n" + part)) for part in text.split("\n\n") if part.strip()]


def every_example() -> list[Example]:
    """Of all commands."""
    return [example for name, command in commands() for example in examples_of(name, command)]


def make_world(folder: Path) -> Path:
    """A folder `work` to type examples in, and `home` beside it; all that they name is there, and is small.

    A file that is called like a recipe comes before the one that is built in, so that what is trained is a toy.
    """
    home, work = folder / "home", folder / "work"
    data = write_idx_folder(home / "data" / "fashion-mnist", toy_split(400), toy_split(90, seed=1))
    (home / "data" / "mnist").symlink_to(data)
    for number in range(300):
        colour = (80 + number // 2, 20, 20) if number % 2 else (20, 20, 80 + number // 2)
        write_image(home / "pictures" / ("cats", "dogs")[number % 2] / f"{number}.png", (32, 32), colour)
    work.mkdir()
    recipe = {**BASE, "stages": merged(BASE["stages"], STAGES), "evaluate": {**BASE["evaluate"], **SEVERAL_THINGS}}
    pictures = {**recipe, "media": {"type": "image", "shape": [3, 8, 8]}, "labels": [], "data": {"validation": 0.1}}
    pictures["evaluate"] = {"classifier_epochs": 1, "samples_per_class": 20}
    for name, values in (("smoke", recipe), ("fashion-mnist", recipe), ("cifar10", recipe), ("mine.toml", pictures)):
        (work / name).write_text(toml(values))
    study = study_values(base=recipe, figures=[{"figure": figure, "claim": "So."} for figure in ("3a", "4a", "5")])
    (work / "ordering").write_text(toml(study))
    (work / "hierarchical-predictability").write_text(toml(one_level_values()))
    (work / "fashion-mnist-vae").write_text(toml(vae_values()))
    (work / "fashion-mnist-pca-prior").write_text(toml(pca_prior_values()))
    (work / "models").symlink_to(ROOT / "models")
    (work / "requests.jsonl").write_text("".join(f'{{"at_s": {at}, "deadline_ms": 50}}\n' for at in range(20)))
    costs = Costs((1, 64))
    for batch in (1, 64):
        for each in (costs.steps, costs.repeats, costs.decodes):
            each.observe(batch, 0.001)
    costs.encodes.observe(("png", 8), 0.0001)
    write(costs, work / "device.json")
    add_key(work / "keys.toml", "mallory", {})
    return work


def train_what_is_finished(work: Path, home: Path) -> None:
    """The runs that some examples go on with, or report on."""
    data = home / "data" / "fashion-mnist"
    for arguments in (
        ("train", "smoke", "--out", "runs/mine"),
        ("study", "ordering", "--out", "runs/studies"),
        ("baseline", "fashion-mnist-vae", "--out", "runs/vae"),
        ("baseline", "fashion-mnist-pca-prior", "--out", "runs/pca-prior"),
    ):
        command = [*arguments, "--data", str(data), "--threads", "1", "--cache", str(home / "cache")]
        result = CliRunner().invoke(anytime.app, command, catch_exceptions=False)
        assert result.exit_code == 0, result.output
    values = toy_values()
    values["evaluate"] |= {"classifier_epochs": 1}
    values["labels"] = ["0", "1", "2"]  # as the data has them, and the other models with it
    run_hierarchical(toy_hierarchy_run(data, work / "runs/hierarchy", 1e9, values))
    shutil.copytree(work / "runs/mine", work / "runs/fashion")


def write_sound_bundle(folder: Path) -> Path:
    """The model of clips that the examples ask for."""
    manifest = tiny_audio_manifest("spoken-digits").model_copy(update={"labels": ("six", "seven", "eight")})
    networks = tiny_networks(manifest)
    write_bundle(folder / "spoken-digits", networks.manifest, networks.autoencoder, networks.prior, {})
    return folder / "spoken-digits"


def write_program(folder: Path) -> Path:
    """A program `anytime`, as an installation has one; returns its folder."""
    folder.mkdir()
    program = folder / "anytime"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m anytime "$@"\n')
    program.chmod(0o755)
    return folder


def merged(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Tables with changes in them."""
    return {name: {**value, **changes.get(name, {})} for name, value in values.items()}
