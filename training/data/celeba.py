"""CelebA as distributed: aligned faces of 178 x 218 pixels, a list of parts, and a list of 40 attributes."""

from __future__ import annotations

import os
from pathlib import Path

from models.errors import DataError
from training.data.cache import prepared
from training.data.corpus import PARTS, Corpus, Item, PartName
from training.data.dataset import Parts
from training.data.layout import ALL
from training.data.pictures import PictureDecoder
from training.data.request import Request

IMAGES = "img_align_celeba"
PARTITION = "list_eval_partition.txt"
ATTRIBUTES = "list_attr_celeba.txt"
# The square that is usual for 64 x 64 pixels: the face with hair and chin, little background.
SQUARE = 140


class CelebA:
    """The folder with `img_align_celeba` and the lists, or with the original's subfolders `Img`, `Eval` and `Anno`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @staticmethod
    def recognises(folder: Path) -> bool:
        """Whether the folder of images is there."""
        return _images(folder) is not None

    def load(self, request: Request) -> Parts:
        """Prepare the pictures. Raises DataError naming the list at fault, or if nothing can be used."""
        request.expect("CelebA", "attribute", media="image")
        folder = _images(self._folder)
        if folder is None:
            raise DataError(f"{self._folder}: has no folder {IMAGES}")
        partition = self._partition()
        names, labels = self._labels(request.options.attribute)
        stamps = _stamps(folder)
        parts: dict[PartName, list[Item]] = {}
        for name, part in partition.items():
            if name not in labels and names != (ALL,):
                raise DataError(f"{self._find(ATTRIBUTES)}: has no line for {name}")
            item = Item(name, labels.get(name, 0), stamps.get(name, ""), (folder / name).read_bytes)
            parts.setdefault(part, []).append(item)
        decoder = PictureDecoder(request.media, square=SQUARE)
        return prepared(Corpus(str(folder.resolve()), parts, names, decoder), request)

    def _partition(self) -> dict[str, PartName]:
        path = self._find(PARTITION)
        partition = {}
        for number, line in enumerate(_lines(path), start=1):
            match line.split():
                case [name, ("0" | "1" | "2") as part]:
                    partition[name] = PARTS[int(part)]
                case _:
                    raise DataError(f"{path}: line {number} is not a file's name and 0, 1 or 2")
        return partition

    def _labels(self, attribute: str | None) -> tuple[tuple[str, ...], dict[str, int]]:
        """Names of the labels, and each image's label if there are two."""
        if attribute is None:
            return (ALL,), {}
        path = self._find(ATTRIBUTES)
        _, header, *lines = [*_lines(path), "", ""]
        known = header.split()
        if attribute not in known:
            raise DataError(f"data.attribute: {path} has no attribute {attribute!r}, but {', '.join(known)}")
        column = known.index(attribute) + 1
        rows = [line.split() for line in lines if line]
        for row in rows:
            if len(row) != len(known) + 1 or row[column] not in ("-1", "1"):
                raise DataError(f"{path}: the line of {row[0]} has not -1 or 1 for each of {len(known)} attributes")
        return (f"not {attribute}", attribute), {row[0]: int(row[column] == "1") for row in rows}

    def _find(self, name: str) -> Path:
        for place in ("", "Eval", "Anno", IMAGES, "Img"):
            path = self._folder / place / name
            if path.is_file():
                return path
        raise DataError(f"{self._folder}: has no {name}, which CelebA is distributed with")


def _images(folder: Path) -> Path | None:
    # The third is how it comes out of some archives.
    for place in (folder / IMAGES / IMAGES, folder / IMAGES, folder / "Img" / IMAGES):
        if place.is_dir():
            return place
    return None


def _stamps(folder: Path) -> dict[str, str]:
    """Size and time of all files of a folder."""
    with os.scandir(folder) as entries:
        stats = ((entry.name, entry.stat()) for entry in entries if entry.is_file())
        return {name: f"{stat.st_size} {stat.st_mtime_ns}" for name, stat in stats}


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error
    return [line for line in text.splitlines() if line.strip()]
