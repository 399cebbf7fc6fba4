"""Prepared data: decoded once, kept in files that are mapped into memory, used again by later runs.

A prepared source is a folder named after everything that its content follows from. It takes its final name once it is
complete, so a folder with that name is whole, and what a killed process leaves has another name.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from models.errors import DataError
from training.data.arrays import map_array
from training.data.corpus import Corpus, Item, PartName, in_order
from training.data.dataset import Parts, Split
from training.data.preparation import ABOUT, Facts, Skipped, files_of, write
from training.data.request import Request

REVISION = 1  # raised whenever a change to the preparation changes what is prepared
# Options that are applied to prepared data.
LATER = {"validation", "limit"}


def prepared(corpus: Corpus, request: Request) -> Parts:
    """The samples of a corpus, out of the cache if an earlier run has prepared the very same.

    Raises:
        DataError: if nothing in a part of the corpus can be read, or the cache cannot be written.
    """
    parts = in_order(corpus, request.options.test)
    folder = request.cache / _key(corpus, parts, request)
    found = _open(folder)
    if found is None:
        with _alone(request):
            # Another run may have prepared it while this one waited.
            found = _open(folder) or _prepare(corpus, parts, folder, request)
        request.progress.say(f"prepared {_summary(found)}, kept in {folder}")
        for line in found.skipped.lines():
            request.progress.say(line)
    else:
        request.progress.say(f"{_summary(found)}, prepared earlier, from {folder}")
    return found.parts


class _Found(NamedTuple):
    """A prepared source, mapped into memory."""

    parts: Parts
    skipped: Skipped


def _key(corpus: Corpus, parts: dict[PartName, list[Item]], request: Request) -> str:
    """SHA-256 over all that the prepared data follows from, files by their sizes and times."""
    digest = hashlib.sha256()
    options = request.options.model_dump(mode="json", exclude=LATER)
    head = (REVISION, corpus.origin, request.media.model_dump(mode="json"), options, corpus.names, corpus.skipped)
    for line in (head, *((part, *item[:3]) for part in parts for item in parts[part])):
        digest.update(json.dumps(line, sort_keys=True).encode() + b"\n")
    return digest.hexdigest()


def _open(folder: Path) -> _Found | None:
    """A prepared source; None if it is not there, or damaged."""
    try:
        facts = Facts.model_validate_json((folder / ABOUT).read_bytes())
        mapped = {part: [map_array(path) for path in files_of(folder, part)] for part in facts.parts}
    except (OSError, ValueError):
        # It costs a preparation, not the run.
        return None
    splits = {part: Split(samples, labels) for part, (samples, labels, _) in mapped.items()}
    groups = mapped["train"][2]
    parts = Parts(splits["train"], splits["test"], splits.get("validation"), facts.names, groups, facts.fingerprint)
    return _Found(parts, facts.skipped)


def _summary(found: _Found) -> str:
    return ", ".join(f"{len(split):,} {name}" for name, split in found.parts.named()) + " samples"


@contextmanager
def _alone(request: Request) -> Iterator[None]:
    """Let one process at a time prepare data, and remove what killed ones have left."""
    try:
        request.cache.mkdir(parents=True, exist_ok=True)
        # Not opened by `with` and a name of its own: the lock ends with the process, however that ends.
        with (request.cache / ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                request.progress.say("waiting for another run that is preparing data")
                fcntl.flock(lock, fcntl.LOCK_EX)
            for part in request.cache.glob(".*.part"):
                shutil.rmtree(part)
            yield
    except OSError as error:
        raise DataError(f"{request.cache}: prepared data cannot be written there ({error.strerror})") from error


def _prepare(corpus: Corpus, parts: dict[PartName, list[Item]], folder: Path, request: Request) -> _Found:
    temporary = folder.with_name(f".{folder.name}.part")
    temporary.mkdir()
    try:
        write(corpus, parts, temporary, request)
        if folder.exists():
            shutil.rmtree(folder)  # it was damaged
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    found = _open(folder)
    if found is None:
        raise DataError(f"{folder}: what was just prepared cannot be read")
    return found
