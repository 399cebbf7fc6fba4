"""What the folders of a source mean: its parts, then its classes."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from training.data.corpus import Item, PartName
from training.data.files import Found

ALL = "all"  # the one class of files that are not sorted into classes
_PART_NAMES: dict[str, PartName] = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
}


class Sorted(NamedTuple):
    """Files by part, with the names of their classes, and those left out, each `name: why`."""

    parts: dict[PartName, list[Item]]
    names: tuple[str, ...]
    skipped: tuple[str, ...]


class _Labelled(NamedTuple):
    file: Found
    part: PartName
    label: str | None


def parts_of(names: Collection[str]) -> dict[str, PartName]:
    """Which part each of some folders or splits is; empty if their names are not those of parts.

    They are if one is called `train` and every other as a part, too. Without a test part, the validation part is it.
    """
    parts = {name: _PART_NAMES[name.lower()] for name in names if name.lower() in _PART_NAMES}
    if len(parts) < len(names) or "train" not in parts.values():
        return {}
    if "test" not in parts.values():
        return {name: "train" if part == "train" else "test" for name, part in parts.items()}
    return parts


def sort_files(files: Sequence[Found], speaker: str | None = None) -> Sorted:
    """Sort files by the folders they lie in: `train`, `val` and `test` if there are any, then one folder per class.

    Args:
        speaker: regular expression whose group is the class, searched in the path below the source's folder.
    """
    parts = parts_of(sorted({file.place.parts[0] for file in files if len(file.place.parts) > 1}))
    labelled, skipped = [], []
    for file in files:
        first, *rest = file.place.parts
        part = parts.get(first) if parts and rest else None
        if parts and part is None:
            skipped.append(f"{file.place}: is in none of the folders {', '.join(parts)}")
            continue
        inside = PurePosixPath(*rest) if parts else file.place
        labelled.append(_Labelled(file, part or "train", _class_of(file.place, inside, speaker)))
    if speaker or any(label is not None for _, _, label in labelled):
        problem = "does not match data.speaker" if speaker else "is in no class's folder"
        skipped += [f"{file.place}: {problem}" for file, _, label in labelled if label is None]
        labelled = [one for one in labelled if one.label is not None]
    return _with_labels(labelled, skipped)


def _class_of(place: PurePosixPath, inside: PurePosixPath, speaker: str | None) -> str | None:
    if speaker is None:
        return inside.parts[0] if len(inside.parts) > 1 else None
    match = re.search(speaker, str(place))
    return (match[1] or None) if match else None


def _with_labels(labelled: Sequence[_Labelled], skipped: Iterable[str]) -> Sorted:
    names = tuple(sorted({label for _, _, label in labelled if label is not None})) or (ALL,)
    index = {name: label for label, name in enumerate(names)}
    parts: dict[PartName, list[Item]] = {}
    for file, part, label in labelled:
        item = Item(str(file.place), index[label or ALL], file.stamp, file.path.read_bytes)
        parts.setdefault(part, []).append(item)
    return Sorted(parts, names, tuple(skipped))
