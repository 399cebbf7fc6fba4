"""Files of a run that are either whole or not there."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from models.errors import AnytimeError


class CheckpointError(AnytimeError):
    """A file of a run that cannot be read, or does not belong to the run."""


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file so that whoever reads it, even after a crash in between, finds the old or the new content.

    Raises:
        CheckpointError: if it cannot be written; the old content is then still there.
    """
    temporary = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise CheckpointError(f"{path}: cannot be written ({error.strerror})") from error


def _sync_folder(path: Path) -> None:
    """Make a rename in a folder survive a power cut."""
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def remove_leftovers(directory: Path) -> None:
    """Remove what a process that was killed while writing into a run's folder has left half-written."""
    for part in directory.rglob(".*.part"):
        part.unlink()
    for scratch in directory.glob(".bundle.*"):
        shutil.rmtree(scratch)


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file atomically."""
    write_atomically(path, (json.dumps(value, indent=2, sort_keys=True) + "\n").encode())


def read_json(path: Path) -> Any:
    """Read a JSON file. Raises CheckpointError if it is unreadable."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise CheckpointError(f"{path}: is not valid JSON ({error})") from error
