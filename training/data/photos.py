"""Cut photographs into small pictures to train on, some of the photographs kept for validation, others for testing.

    apt-get install mate-backgrounds plasma-workspace-wallpapers
    python -m training.data.photos /usr/share/backgrounds /usr/share/wallpapers --out ~/data/photos

Each photograph is reduced to three sizes, and cut into overlapping squares. All that is cut from one photograph is on
one side, and of the copies of one photograph only the largest is used. Drawings and gradients are left out, and squares
with little in them, like clear skies: wherever most neighbouring pixels are alike. `pictures.tsv` in the folder says
what became of every file.
"""

from __future__ import annotations

import argparse
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console

from models.errors import DataError
from models.media import Unreadable
from models.media.pictures import read_picture
from training.data.files import IMAGES, Found, find_files
from training.data.preparation import SHOWN, Skipped
from training.data.progress import PreparationProgress

# A photograph's shorter side, in squares: each square is a fair part of the scene, at three distances.
SCALES = (1.25, 1.75, 2.5)
STEPS = 5  # from one square's edge to the next, moving by a part of a square
SHARE = 0.1  # of the photographs, for validation and for testing each
LISTING = "pictures.tsv"

# Neighbouring pixels are alike if no channel differs by more; where most of them are, there is nothing to learn.
ALIKE, MOST = 3, 2 / 3
# Of two pictures cut to the same form, in so many places across and down: they are one above this correlation.
GRID, SAME = 16, 0.95


class Photo(NamedTuple):
    """A photograph: its file, the SHA-256 of that, how many pixels it has, and what it is at each scale."""

    path: Path
    digest: str
    pixels: int
    scaled: tuple[Image.Image, ...]


def main(arguments: Sequence[str] | None = None) -> None:
    """Prepare the folders that are named, all of them or none."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--out", required=True, type=Path, help="a folder that is not there yet")
    parser.add_argument("--size", type=int, default=64, help="side of a square in pixels (64)")
    parser.add_argument(
        "--without", nargs="+", default=[], metavar="PATTERN", help="leave out files below the folders, like 'Kay/*'"
    )
    options = parser.parse_args(arguments)
    out: Path = options.out
    if out.exists():
        parser.error(f"{out} exists; remove it, or choose another folder")
    if options.size < STEPS:
        parser.error(f"--size {options.size}: squares must have {STEPS} pixels a side at least")
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as scratch:
        folder = Path(scratch) / "sorted"
        try:
            lines = prepare(options.folders, folder, options.size, options.without)
            folder.rename(out)
        except (DataError, OSError) as error:
            parser.error(str(error))
    print("\n".join([*lines, f"what became of each file is in {out / LISTING}"]))


def prepare(folders: Sequence[Path], out: Path, size: int, without: Sequence[str] = ()) -> list[str]:
    """Write the squares of all photographs below some folders, and the listing, into a folder.

    Args:
        size: side of a square in pixels.
        without: patterns of files to leave out, as `fnmatch` has them, of a file's path below its folder.

    Returns:
        what to tell the user.

    Raises:
        DataError: if a folder or a pattern has no files, or there are too few photographs for three parts.
        OSError: if the folder cannot be written.
    """
    # Links to a file, and folders within one another, name it once.
    files = {file.path.resolve(): str(file.place) for folder in folders for file in _files(folder)}
    for pattern in without:
        if not any(fnmatch(place, pattern) for place in files.values()):
            raise DataError(f"--without {pattern}: no picture below the folders is called so")
    photos, left_out = list[Photo](), dict[Path, str]()
    progress = PreparationProgress(Console(stderr=True))
    for path, place in progress.track(files.items(), len(files)):
        asked = any(fnmatch(place, pattern) for pattern in without)
        found = "left out as asked" if asked else _read(path, size)
        if isinstance(found, str):
            left_out[path] = found
        else:
            photos.append(found)
    photos = _distinct(photos, left_out)
    counts, lines = Counter[str](), list[str]()
    for part, photo in _parts(photos):
        squares = _write(photo, out / part, size)
        counts[part] += squares
        lines.append(f"{part}\t{squares}\t{photo.digest[:8]}\t{photo.path}")
    lines += [f"-\t0\t{why}\t{path}" for path, why in left_out.items()]
    (out / LISTING).write_text("\n".join(["part\tsquares\tname, or why not\tfile", *sorted(lines)]) + "\n", "utf-8")
    return [
        *_reasons(left_out),
        f"{len(photos)} photographs: " + ", ".join(f"{counts[p]} squares in {p}" for p in counts),
    ]


def _files(folder: Path) -> list[Found]:
    """The image files below a folder. Raises DataError if there is none."""
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; install the package that it belongs to, or leave it out")
    files = find_files(folder, IMAGES)
    if not files:
        raise DataError(f"{folder}: holds no image files")
    return files


def _read(path: Path, size: int) -> Photo | str:
    """A file as a photograph, or why it is none."""
    shorter = [round(scale * size) for scale in SCALES]
    try:
        content = path.read_bytes()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of oddities in files that can be read nevertheless
            image = read_picture(content, "RGB")
    except Unreadable as error:
        return str(error)
    except Exception as error:  # decoders raise all kinds of errors at damaged files
        return f"cannot be read ({error or type(error).__name__})"
    # Reduced by half at least, or the marks of JPEG would be seen and learnt.
    if min(image.size) < 2 * shorter[-1]:
        return f"is smaller than {2 * shorter[-1]} pixels"
    scaled = tuple(_reduced(image, side) for side in shorter)
    if is_plain(np.asarray(scaled[-1])):
        return "is a drawing or a gradient"
    return Photo(path, sha256(content).hexdigest(), image.width * image.height, scaled)


def _reduced(image: Image.Image, shorter: int) -> Image.Image:
    scale = shorter / min(image.size)
    size = round(scale * image.width), round(scale * image.height)
    return image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3)


def is_plain(pixels: NDArray[Any]) -> bool:
    """Whether most neighbouring pixels of a picture (H, W, 3) uint8 are alike, as in drawings, gradients and skies."""
    values = pixels.astype(np.int16)
    across, down = (np.abs(np.diff(values, axis=axis)).max(axis=-1) <= ALIKE for axis in (1, 0))
    return bool((across.sum() + down.sum()) > MOST * (across.size + down.size))


def _is_copy(one: Photo, other: Photo) -> bool:
    # Plasma's wallpapers have a folder each, with whatever is made of one picture below its subfolder `contents`.
    folders = [{parent for parent in photo.path.parents if parent.name == "contents"} for photo in (one, other)]
    return bool(set.intersection(*folders)) or is_same(one.scaled[0], other.scaled[0])


def is_same(one: Image.Image, other: Image.Image) -> bool:
    """Whether two images are one picture in two sizes, or one that was cut from the other's middle."""
    form = min(one.width / one.height, other.width / other.height)
    return float(np.dot(_signature(one, form), _signature(other, form))) > SAME


def _signature(image: Image.Image, form: float) -> NDArray[np.float64]:
    """An image cut to a form (width by height) no wider than its own, as a vector of length 1: its light and dark."""
    margin = (image.width - form * image.height) / 2
    box = (margin, 0, image.width - margin, image.height)
    grey = image.convert("L").resize((GRID, GRID), Image.Resampling.BOX, box)
    values = np.asarray(grey, dtype=np.float64).ravel()
    values -= values.mean()
    return values / max(float(np.linalg.norm(values)), 1.0)


def _distinct(photos: Sequence[Photo], left_out: dict[Path, str]) -> list[Photo]:
    """The largest copy of each photograph; the others are added to those left out."""
    distinct = list[Photo]()
    for photo in sorted(photos, key=lambda photo: (-photo.pixels, photo.digest)):
        copy = next((each for each in distinct if _is_copy(each, photo)), None)
        if copy is None:
            distinct.append(photo)
        else:
            left_out[photo.path] = f"is the same picture as {copy.path}"
    return distinct


def _parts(photos: Sequence[Photo]) -> Iterator[tuple[str, Photo]]:
    """Each photograph and its part, by the digests' order, wherever the files lie. Raises DataError if too few."""
    if len(photos) < 3:
        raise DataError(f"{len(photos)} photographs are too few for training, validation and testing")
    held_out = max(1, round(SHARE * len(photos)))
    for index, photo in enumerate(sorted(photos, key=lambda photo: photo.digest)):
        yield ("test" if index < held_out else "val" if index < 2 * held_out else "train"), photo


def _write(photo: Photo, folder: Path, size: int) -> int:
    """Write the squares of a photograph that have something in them, and count them."""
    folder.mkdir(parents=True, exist_ok=True)
    written = 0
    for scale, image in enumerate(photo.scaled):
        for left, upper in _corners(image.size, size):
            square = image.crop((left, upper, left + size, upper + size))
            if not is_plain(np.asarray(square)):
                square.save(folder / f"{photo.digest[:8]}-{scale}-{left}-{upper}.png")
                written += 1
    return written


def _corners(extent: tuple[int, int], size: int) -> Iterator[tuple[int, int]]:
    width, height = extent
    for upper in range(0, height - size + 1, size // STEPS):
        for left in range(0, width - size + 1, size // STEPS):
            yield left, upper


def _reasons(left_out: dict[Path, str]) -> list[str]:
    """How many files were left out for which reason; the first of those that could not be read by name."""
    expected = ("left out", "is smaller", "is a drawing", "is the same")
    odd = [f"{path}: {why}" for path, why in left_out.items() if not why.startswith(expected)]
    return Skipped(count=len(odd), first=tuple(odd[:SHOWN])).lines() + [
        f"left out {count}: {reason}"
        for words, reason in zip(
            expected, ("as asked", "too small", "drawings or gradients", "copies of another picture"), strict=True
        )
        if (count := sum(why.startswith(words) for why in left_out.values()))
    ]


if __name__ == "__main__":
    main()
