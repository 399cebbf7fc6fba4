"""Sort the pictures of emoji packages from npm into folders to train on, one per category, and a tenth to test with.

    npm pack emoji-datasource-google emoji-datasource-twitter
    python -m training.data.emoji emoji-datasource-*.tgz --out ~/data/emoji

All drawings of one emoji, in whatever style and skin tone, are on the same side, or the test set would have been seen.
"""

from __future__ import annotations

import argparse
import json
import tarfile
from collections import Counter
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

FOLDERS = {
    "Activities": "activities",
    "Animals & Nature": "animals",
    "Flags": "flags",
    "Food & Drink": "food",
    "Objects": "objects",
    "People & Body": "people",
    "Smileys & Emotion": "smileys",
    "Symbols": "symbols",
    "Travel & Places": "travel",
}
TENTH = 2**16 // 10  # of the numbers that two bytes hold


def main(arguments: Sequence[str] | None = None) -> None:
    """Unpack the packages that are named, all of them or none."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packages", nargs="+", type=Path, metavar="PACKAGE.tgz")
    parser.add_argument("--out", required=True, type=Path, help="a folder that is not there yet")
    options = parser.parse_args(arguments)
    out: Path = options.out
    if out.exists():
        parser.error(f"{out} exists; remove it, or choose another folder")
    out.parent.mkdir(parents=True, exist_ok=True)
    counts: Counter[str] = Counter()
    with TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as scratch:
        folder = Path(scratch) / "sorted"
        for package in options.packages:
            try:
                counts += _unpack(package, folder)
            except (OSError, tarfile.TarError, KeyError, ValueError) as error:
                parser.error(f"{package}: is not one of the emoji-datasource packages ({error})")
        folder.rename(out)
    print(f"{out}: {counts['train']} pictures to train on, {counts['test']} to test with")


def _unpack(package: Path, folder: Path) -> Counter[str]:
    """Write a package's pictures into the folder, and count them by part."""
    counts: Counter[str] = Counter()
    for target, content in _pictures(package):
        path = folder / target
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        counts[target.parts[0]] += 1
    if not counts:
        raise ValueError("it has no pictures of 64 x 64 pixels")
    return counts


def _pictures(package: Path) -> Iterator[tuple[Path, bytes]]:
    """Where each picture of 64 x 64 pixels goes, and its bytes."""
    with tarfile.open(package) as archive:
        listing = archive.extractfile("package/emoji.json")
        if listing is None:
            raise ValueError("its emoji.json is no file")
        places = {image: place for emoji in json.load(listing) for image, place in _places(emoji)}
        for member in archive:
            path = Path(member.name)
            content = archive.extractfile(member)
            if path.parent.name == "64" and path.name in places and content is not None:
                style = path.parent.parent.name
                yield places[path.name] / f"{path.stem}-{style}{path.suffix}", content.read()


def _places(emoji: dict[str, Any]) -> Iterator[tuple[str, Path]]:
    """The pictures of one emoji, in every skin tone, and the folder they belong to; none if it is only a component."""
    folder = FOLDERS.get(emoji["category"])
    if folder is None:
        return
    digest = sha256(emoji["unified"].encode()).digest()
    part = "test" if int.from_bytes(digest[:2], "big") < TENTH else "train"
    for each in (emoji, *emoji.get("skin_variations", {}).values()):
        yield each["image"], Path(part) / folder


if __name__ == "__main__":
    main()
