"""What an operator does to a folder of bundles while a service runs."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from models.bundle.manifest import MANIFEST


def put(bundle: Path, folder: Path, called: str, /, **fields: object) -> Path:
    """Put a copy of a bundle into the folder in one step, with other fields in its `bundle.json`.

    It replaces what is there. Where they can be, files are linked and not copied, so that it takes no time from whoever
    is measured.
    """
    incoming, old, place = folder / f".{called}.new", folder / f".{called}.old", folder / called
    shutil.copytree(bundle, incoming, copy_function=_link)
    content = json.loads((incoming / MANIFEST).read_bytes())
    (incoming / MANIFEST).unlink()
    (incoming / MANIFEST).write_text(json.dumps({**content, **fields}))
    if place.exists():
        place.rename(old)
    incoming.rename(place)
    shutil.rmtree(old, ignore_errors=True)
    return place


def _link(file: str, copy: str) -> None:
    try:
        os.link(file, copy)
    except OSError:  # another file system
        shutil.copy2(file, copy)


def remove(place: Path) -> None:
    """Take a bundle out of the folder in one step."""
    aside = place.with_name(f".{place.name}.gone")
    place.rename(aside)
    shutil.rmtree(aside)


def alias(folder: Path, **aliases: str) -> None:
    """Write the aliases in one step."""
    fresh = folder / ".aliases.new"
    fresh.write_text("".join(f'{name} = "{target}"\n' for name, target in aliases.items()))
    fresh.rename(folder / "aliases.toml")
