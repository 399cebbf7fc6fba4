"""What a report measures of a run's model, kept beside the run: a later report need not measure it again."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from training.files import CheckpointError, read_json, write_json

Measured = TypeVar("Measured", bound=BaseModel)


def read_beside(path: Path, kind: type[Measured]) -> Measured | None:
    """What was measured earlier; None if nothing was, or by another version of this, which costs a measurement."""
    if not path.is_file():
        return None
    try:
        return kind.model_validate(read_json(path))
    except (CheckpointError, ValidationError):
        return None


def write_beside(path: Path, measured: BaseModel) -> None:
    """Keep it. Raises CheckpointError if it cannot be written."""
    write_json(path, measured.model_dump(mode="json"))
