"""`state.json`: which run a folder holds and which of its stages are complete."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Generic, Literal, Self, TypeVar, get_args

from pydantic import ValidationError

from models.config import Frozen
from models.errors import AnytimeError
from training.files import read_json, write_json
from training.recipe import Recipe

STATE = "state.json"
AnyRecipe = TypeVar("AnyRecipe", bound=Frozen)

StageName = Literal["autoencoder", "ordered", "codes", "prior", "evaluate", "export"]
TrainedStage = Literal["autoencoder", "ordered", "prior"]
STAGES: tuple[StageName, ...] = get_args(StageName)


class ResumeError(AnytimeError):
    """An output folder that cannot be started in, or gone on from."""


class StateOf(Frozen, Generic[AnyRecipe]):
    """What a run was started with, and how far it has come.

    Attributes:
        recipe: the recipe it was started with.
        data: fingerprint of its data set.
        completed: its complete stages, in order.
    """

    recipe: AnyRecipe
    data: str
    completed: tuple[str, ...] = ()

    def write(self, directory: Path) -> None:
        """Write `state.json`, atomically."""
        write_json(directory / STATE, self.model_dump(mode="json"))

    def with_completed(self, stage: str) -> Self:
        """This state with one more stage complete."""
        return self.model_copy(update={"completed": (*self.completed, stage)})


class RunState(StateOf[Recipe]):
    """That of an ordered model's run."""

    completed: tuple[StageName, ...] = ()


State = TypeVar("State", bound=StateOf[Any])


def check_folder(directory: Path, resume: bool) -> None:
    """Refuse a folder that holds something already, before any work is done.

    Raises:
        ResumeError: if `directory` is not empty and this is not a resumption, or is not a run's folder.
    """
    if directory.exists() and not directory.is_dir():
        raise ResumeError(f"{directory}: is not a folder")
    occupied = directory.is_dir() and any(directory.iterdir())
    if occupied and not resume:
        raise ResumeError(f"{directory}: is not empty; choose another --out, or go on with --resume")
    if occupied and not (directory / STATE).is_file():
        raise ResumeError(f"{directory}: holds no run to resume, there is no {STATE} in it")


def open_state(directory: Path, recipe: Recipe, data: str) -> RunState:
    """The state of an ordered model's run in a folder, begun now if there is none. Raises like `open_state_of`."""
    return open_state_of(RunState, directory, recipe, data)


def open_state_of(kind: type[State], directory: Path, recipe: Frozen, data: str) -> State:
    """The state of the run in a folder, begun now if there is none.

    Args:
        kind: of state, which is that of the recipe's kind.
        data: fingerprint of the data.

    Raises:
        ResumeError: if the folder's run has another recipe or other data.
        CheckpointError: if its state cannot be read.
    """
    if not (directory / STATE).is_file():
        state = kind(recipe=recipe, data=data)
        state.write(directory)
        return state
    try:
        state = kind.model_validate(read_json(directory / STATE))
    except ValidationError as error:
        raise ResumeError(f"{directory / STATE}: is not the state of a run, or of a recipe of another kind") from error
    require_same(directory, (state.recipe, state.data), (recipe, data))
    return state


def require_same(directory: Path, before: tuple[Frozen, str], now: tuple[Frozen, str]) -> None:
    """Refuse to go on with a run in a folder with anything but the recipe and the data's fingerprint it began with.

    Raises:
        ResumeError: naming the first field that differs.
    """
    difference = _difference(before[0].model_dump(), now[0].model_dump())
    if difference is not None:
        raise ResumeError(f"{directory}: cannot resume with another recipe, {difference}")
    if before[1] != now[1]:
        raise ResumeError(f"{directory}: cannot resume with other data than the run was started with")


def _difference(before: Any, now: Any, field: str = "") -> str | None:
    """The first field, by dotted path, in which two recipes differ."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in before:
            found = _difference(before[key], now[key], f"{field}.{key}".lstrip("."))
            if found is not None:
                return found
        return None
    return None if before == now else f"{field} was {before!r} and is now {now!r}"
