#!/usr/bin/env python3
"""Sort the pictures of emoji packages from npm into folders to train on, one per category, and a tenth to test with.

    npm pack emoji-datasource-google emoji-datasource-twitter
    python deploy/data/emoji.py emoji-datasource-*.tgz --out ~/data/emoji

All drawings of one emoji, in whatever style and skin tone, are on the same side, or the test set would have been seen.
"""

from __future__ import annotations

import argparse
import json
import tarfile
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
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
TENTH = 0x1999  # of two bytes


def main() -> None:
    """Unpack the packages that are named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packages", nargs="+", type=Path, metavar="PACKAGE.tgz")
    parser.add_argument("--out", required=True, type=Path, help="a folder that is not there yet")
    options = parser.parse_args()
    if options.out.exists():
        parser.error(f"{options.out} exists; remove it, or choose another folder")
    counts: Counter[str] = Counter()
    for package in options.packages:
        for target, data in pictures(package):
            path = options.out / target
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            counts[target.parts[0]] += 1
    print(f"{options.out}: {counts['train']} pictures to train on, {counts['test']} to test with")


def pictures(package: Path) -> Iterator[tuple[Path, bytes]]:
    """Where each picture of 64 x 64 pixels goes, and its bytes."""
    with tarfile.open(package) as archive:
        listing = archive.extractfile("package/emoji.json")
        if listing is None:
            raise SystemExit(f"{package}: has no emoji.json; is it one of the emoji-datasource packages?")
        places = {image: place for emoji in json.load(listing) for image, place in places_of(emoji)}
        for member in archive:
            path = Path(member.name)
            content = archive.extractfile(member)
            if path.parent.name == "64" and path.name in places and content is not None:
                style = path.parent.parent.name
                yield places[path.name] / f"{path.stem}-{style}{path.suffix}", content.read()


def places_of(emoji: dict[str, Any]) -> Iterator[tuple[str, Path]]:
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
