"""Which baseline a run's folder holds, so that nothing else is gone on with in it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from models.config import Frozen
from training.baselines.options import BaselineRecipe
from training.files import read_json, write_json
from training.state import STATE, ResumeError, require_same


class BaselineState(Frozen):
    """What a run was started with: its recipe, and the fingerprint of its data."""

    recipe: Annotated[BaselineRecipe, Field(discriminator="kind")]
    data: str


def claim_folder(directory: Path, recipe: BaselineRecipe, data: str) -> None:
    """Say in a folder what its run is, or check that it is this one.

    Raises:
        ResumeError: if the folder's run is another one.
        CheckpointError: if what it says cannot be read.
    """
    path = directory / STATE
    if not path.is_file():
        write_json(path, BaselineState(recipe=recipe, data=data).model_dump(mode="json"))
        return
    try:
        begun = BaselineState.model_validate(read_json(path))
    except ValidationError as error:
        raise ResumeError(f"{path}: is not the state of a baseline's run") from error
    require_same(directory, (begun.recipe, begun.data), (recipe, data))
