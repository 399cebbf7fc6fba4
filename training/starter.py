"""A recipe to begin with, for a folder of one's own pictures. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from PIL import Image

from models.errors import DataError, RecipeError
from models.media.pictures import FORMATS
from training.data.files import IMAGES, Found, find_files
from training.data.folders import ImageFolder
from training.data.layout import sort_files
from training.data.sources import open_source
from training.options import AutoencoderKind as Kind

LOOKED_AT = 200  # pictures whose size and colour are looked at, spread over all of them
LARGEST_MAP = 8  # places of a code across: the paper's codes have 4 to 8
ENOUGH = 5000  # training pictures; where there are fewer, larger files are cut into several
MOST_CROPS = 20
BATCH = 64
# Steps of each stage: enough to see what becomes of it, on one CPU core in minutes.
STEPS = {
    Kind.RESIDUAL: {"ordered": 1000, "prior": 600},
    Kind.CONVOLUTIONAL: {"autoencoder": 400, "ordered": 800, "prior": 600},
}
MOST_EPOCHS = 200
SHOWN = 6  # labels listed in the comment

# Of the residual kind.
ENTRIES, DEPTH, WIDTH = 256, 16, 128
FEWEST = 16  # entries, with which there is hardly anything to say
SMALLEST, LARGEST = 8, 128  # pixels; the map that a picture is read off by grows with their square

TEMPLATE = """\
# Made by `anytime recipe` for {pictures:,} pictures in {folder}.
# What each setting means: docs/training.md, "Recipes". All of it can be changed.
name = "{name}"
description = "Pictures from the folder {name}."
seed = 7
# Labels are the names of the subfolders{labels}.

[media]
type = "image"
shape = [{channels}, {size}, {size}]  # channels (3 colour, 1 grey), height, width{shape}

{network}
[prior]
layers = 3
width = 96
feed_forward = 384
heads = 4
dropout = 0.1

[data]
validation = 0.1
crops = {crops}  # pictures cut from each larger file; 1 takes the middle

# A short schedule, to see that all of it works. For better pictures multiply the epochs by three, or by ten.
{stages}[stages.prior]
epochs = {prior}
batch = {batch}
learning_rate = 1e-3
schedule = "cosine"
warmup = 0.05
weight_decay = 0.1
gradient_clip = 1.0
label_dropout = 0.1  # answers to requests without a label, too

[evaluate]
samples_per_class = {samples}
classifier_epochs = 5
"""

NETWORKS = {
    Kind.RESIDUAL: """\
[autoencoder]
kind = "residual"  # the paper's is what anytime recipe makes without --kind
codes = 32  # more codes hold more detail, and take longer to draw
codebook = {codebook}
depth = {depth}
width = {width}  # numbers that the codes build up; each value of a picture has a weight for each
hidden = 64
""",
    Kind.CONVOLUTIONAL: """\
[autoencoder]
codes = 32  # more codes hold more detail, and take longer to draw
codebook = 256
filters = {filters}
strides = {strides}  # a code has {places} x {places} places
widths = {widths}
missing = "learned"

[codebook]
learning = "average"
revive = 0.05
""",
}
STAGE = """\
[stages.{name}]
epochs = {epochs}
batch = {batch}
learning_rate = 1e-3
schedule = "cosine"
warmup = 0.05
{more}
"""


class _Looks(NamedTuple):
    """What some pictures are like: channels, and the shorter side in pixels, the median."""

    channels: int
    shorter: float


def write_starter(data: str, size: int, name: str | None = None, kind: Kind = Kind.CONVOLUTIONAL) -> str:
    """The text of a recipe for a folder of image files.

    Args:
        data: the folder.
        size: height and width of the pictures that the model is to make.
        name: of the model; by default the folder's, as far as a model may be called so.
        kind: of the autoencoder.

    Raises:
        DataError: if the folder holds no image files, another data set, or too few for the kind of autoencoder.
        RecipeError: if no autoencoder of that kind has that size.
    """
    _check_size(size, kind)
    if name is not None and _as_name(name) != name:
        raise RecipeError(f"--name {name!r}: must be of small letters, digits, dots, dashes and underscores")
    if not isinstance(open_source(data, "image"), ImageFolder):
        raise DataError(
            f"{data}: is no plain folder of image files; copy one of the recipes that come with the package"
        )
    folder = Path(data).resolve()
    files = find_files(folder, IMAGES)
    parts, names, _ = sort_files(files)
    train = len(parts.get("train", ()))
    looks = _look(files)
    larger = looks.shorter >= 2 * size
    crops = min(MOST_CROPS, -(-ENOUGH // max(train, 1))) if larger else 1
    epochs = {
        stage: min(MOST_EPOCHS, max(1, round(steps * BATCH / max(train * crops, 1))))
        for stage, steps in STEPS[kind].items()
    }
    return TEMPLATE.format(
        pictures=len(files),
        folder=_printable(str(folder)),
        name=name or _as_name(folder.name),
        labels=_listed(names) if len(names) > 1 else ", if there are any",
        channels=looks.channels,
        size=size,
        shape=""
        if looks.shorter >= size
        else f"; most files are smaller ({looks.shorter:.0f} pixels), and are enlarged",
        network=_network(kind, size, looks.channels, train * crops),
        crops=crops,
        stages="".join(_stage(stage, epochs[stage], kind) for stage in epochs if stage != "prior"),
        prior=epochs["prior"],
        batch=BATCH,
        samples=max(20, 1000 // len(names)),
    )


def _network(kind: Kind, size: int, channels: int, pictures: int) -> str:
    """The section of the autoencoder, for so many training pictures."""
    if kind == Kind.RESIDUAL:
        entries = _entries(pictures)
        width = min(WIDTH, channels * size * size)
        return NETWORKS[kind].format(codebook=entries, depth=min(DEPTH, width), width=width)
    halvings = _halvings(size)
    return NETWORKS[kind].format(
        filters=[4] * halvings + [3],
        strides=[2] * halvings + [1],
        places=size >> halvings,
        widths=[32 << step for step in range(halvings)],
    )


def _stage(name: str, epochs: int, kind: Kind) -> str:
    more = "commitment = 0.25\n" if kind == Kind.CONVOLUTIONAL else ""
    return STAGE.format(name=name, epochs=epochs, batch=BATCH, more=more)


def _entries(pictures: int) -> int:
    """Entries of a residual codebook, which is placed on pictures: a power of two, of which there must be as many."""
    kept = pictures - -(-pictures // 5)  # a tenth is for validation, and another one for testing if there is none
    if kept < FEWEST:
        raise DataError(
            f"{pictures} training pictures are too few for an autoencoder of kind residual, which needs "
            f"{-(-FEWEST * 5 // 4)}; add some, or take --kind convolutional"
        )
    return min(ENTRIES, 1 << (kept.bit_length() - 1))


def _check_size(size: int, kind: Kind) -> None:
    """Raises RecipeError if no autoencoder of a kind has a size."""
    if kind == Kind.CONVOLUTIONAL:
        _halvings(size)
    elif not SMALLEST <= size <= LARGEST:
        raise RecipeError(
            f"--size {size}: an autoencoder of kind residual is for pictures of {SMALLEST} to {LARGEST} pixels; "
            "for larger ones take --kind convolutional"
        )


def _halvings(size: int) -> int:
    """How often pictures of a size are halved on the way to a code. Raises RecipeError if that is not even."""
    halvings = 0
    while (size >> halvings) > LARGEST_MAP and (size >> halvings) % 2 == 0:
        halvings += 1
    if halvings == 0 or (size >> halvings) > LARGEST_MAP:
        raise RecipeError(
            f"--size {size}: cannot be halved down to a code's {LARGEST_MAP} places; take 32, 48, 64 or 128"
        )
    return halvings


def _look(files: Sequence[Found]) -> _Looks:
    """Open some of the files. Raises DataError if none can be."""
    sizes, modes = list[int](), set[str]()
    for file in files[:: -(-len(files) // LOOKED_AT)]:
        try:
            with Image.open(file.path, formats=FORMATS) as image:
                sizes.append(min(image.size))
                modes.add(image.mode)
        except Exception:  # noqa: S112 - training will name what cannot be read; decoders raise all kinds of errors
            continue
    if not sizes:
        raise DataError(f"{files[0].path}: cannot be read as a picture, nor can the others that were tried")
    return _Looks(1 if modes <= {"1", "L", "LA"} else 3, median(sizes))


def _as_name(text: str) -> str:
    """A text in the letters that a model's name may have."""
    return re.sub(r"[^a-z0-9._-]+", "-", text.lower()).lstrip("._-")[:64] or "mine"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f": {', '.join(map(_printable, names[:SHOWN]))}{more}"


def _printable(text: str) -> str:
    """A text for a comment, which a line break would end."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
