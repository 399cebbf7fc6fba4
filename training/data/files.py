"""Finding the files of a source."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from models.errors import DataError

IMAGES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"})
AUDIO = frozenset(
    {".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au", ".snd", ".caf", ".w64", ".rf64"}
)


class Found(NamedTuple):
    """A file, where it lies below the source's folder, and a stamp of its size and time."""

    path: Path
    place: PurePosixPath
    stamp: str


def find_files(folder: Path, suffixes: frozenset[str]) -> list[Found]:
    """All files below a folder that end in one of the suffixes, links followed, hidden ones left out; by place.

    Raises:
        DataError: if a folder cannot be read.
    """
    found = (Found(path, _place(path.relative_to(folder)), stamp_of(path)) for path in _walk(folder, suffixes))
    return sorted(found, key=lambda file: file.place)


def has_files(folder: Path, suffixes: frozenset[str]) -> bool:
    """Whether there is any such file. Raises DataError like `find_files`."""
    return next(_walk(folder, suffixes), None) is not None


def stamp_of(path: Path) -> str:
    """Size and time of change; empty if there is no such file, which reading it will tell."""
    try:
        status = path.stat()
    except OSError:
        return ""
    return f"{status.st_size} {status.st_mtime_ns}"


def _place(path: Path) -> PurePosixPath:
    # Names of files are bytes; they are shown and kept as text.
    return PurePosixPath(os.fsencode(path.as_posix()).decode("utf-8", "backslashreplace"))


def _walk(folder: Path, suffixes: frozenset[str]) -> Iterator[Path]:
    visited: set[tuple[int, int]] = set()
    # What is reached both by a link and without one is named by where it really lies: links wait until all else is met.
    waiting = deque([folder])
    while waiting:
        for place, folders, names in os.walk(waiting.popleft(), onerror=_refuse):
            status = Path(place).stat()
            # A link to a folder above would be followed for ever.
            if (status.st_dev, status.st_ino) in visited:
                folders.clear()
                continue
            visited.add((status.st_dev, status.st_ino))
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            waiting.extend(Path(place) / name for name in folders if (Path(place) / name).is_symlink())
            for name in names:
                if not name.startswith(".") and Path(name).suffix.lower() in suffixes:
                    yield Path(place) / name


def _refuse(error: OSError) -> None:
    raise DataError(f"{error.filename}: cannot be read ({error.strerror})")
