"""Sheets of samples and reconstructions, as PNG."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from models.bundle.networks import Networks
from training.data.dataset import Split
from training.evaluation.reconstruction import reconstruct
from training.evaluation.samples import Samples, codes_for, decode
from training.files import write_atomically

SAMPLES = "samples.png"
BY_FRACTION = "samples-by-fraction.png"
RECONSTRUCTIONS = "reconstructions.png"

COLUMNS = 12  # samples of each label in the large sheet
MOST_LABELS = 20  # shown in one sheet
TILE = 84  # pixels that a tile is enlarged to, in whole multiples of its own
GAP = 2
MARGIN = 6
TEXT = 12
PAPER, INK = "white", "black"


@dataclass(frozen=True, slots=True)
class Shown:
    """What the sheets show, as a split stores it.

    Attributes:
        samples: (labels, at most COLUMNS, *media shape), from complete codes.
        by_fraction: (fractions, labels, *media shape), one sample of each label from growing parts of its codes;
            at most COLUMNS samples where there is but one label.
        reconstructions: (1 + fractions, labels there are, *media shape), test samples and what becomes of them.
        labels: names of the labels that are shown.
        fractions: names of the fractions.
        tested: names of the labels of the test samples.
    """

    samples: Tensor
    by_fraction: Tensor
    reconstructions: Tensor
    labels: tuple[str, ...]
    fractions: tuple[str, ...]
    tested: tuple[str, ...]


def choose(networks: Networks, drawn: Samples, test: Split, fractions: Sequence[float], device: torch.device) -> Shown:
    """Decode what is to be shown of the samples and of the test set's reconstructions."""
    codes, labels = networks.manifest.codes, networks.manifest.labels[:MOST_LABELS]
    lengths = [codes_for(fraction, codes) for fraction in fractions]
    of_label = [(drawn.labels == label).nonzero().flatten()[:COLUMNS] for label in range(len(labels))]
    fewest = min(len(rows) for rows in of_label)
    full = torch.stack([decode(networks, drawn.codes[rows[:fewest]], codes, device) for rows in of_label])
    each = COLUMNS if len(labels) == 1 else 1
    first = drawn.codes[torch.cat([rows[:each] for rows in of_label])]
    rows = torch.stack([decode(networks, first, length, device) for length in lengths])

    shown = [label for label in range(len(labels)) if (test.labels == label).any()]
    originals = test.take(torch.cat([(test.labels == label).nonzero().flatten()[:each] for label in shown]))
    rebuilt = [reconstruct(networks.autoencoder, originals, length, device) for length in lengths]
    return Shown(
        samples=full,
        by_fraction=rows,
        reconstructions=torch.stack([originals.images, *rebuilt]),
        labels=labels,
        fractions=tuple(f"{length} of {codes}" for length in lengths),
        tested=tuple(labels[label] for label in shown),
    )


def write(directory: Path, shown: Shown, paint: Callable[[Tensor], Tensor] = lambda images: images) -> None:
    """Write the three sheets.

    `samples.png` has one row per label, from complete codes. `samples-by-fraction.png` has one column per label and one
    row per fraction of the same codes, as Fig. 5. `reconstructions.png` does so with test samples, originals on top.
    A model of one label has several columns of it in both, without a name.

    Args:
        paint: makes pictures (R, C, 1 or 3, H, W) uint8 of what is not one.
    """
    several = len(shown.labels) > 1
    for name, samples, rows, columns in (
        (SAMPLES, shown.samples, shown.labels if several else (), ()),
        (BY_FRACTION, shown.by_fraction, shown.fractions, shown.labels if several else ()),
        (RECONSTRUCTIONS, shown.reconstructions, ("original", *shown.fractions), shown.tested if several else ()),
    ):
        write_atomically(directory / name, sheet(paint(samples), rows, columns))


def sheet(images: Tensor, rows: Sequence[str], columns: Sequence[str]) -> bytes:
    """Lay images out in a table with names beside its rows and above its columns, as a PNG.

    Args:
        images: (R, C, 1 or 3, H, W) uint8.
        rows: R names, or none.
        columns: C names, or none.
    """
    count, across, channels, height, width = images.shape
    scale = max(1, TILE // max(height, width))
    step_x, step_y = width * scale + GAP, height * scale + GAP
    font = ImageFont.load_default(TEXT)
    left = MARGIN + (max(round(font.getlength(name)) for name in rows) + MARGIN if rows else 0)
    top = MARGIN + (TEXT + MARGIN if columns else 0)
    paper = Image.new(
        "L" if channels == 1 else "RGB", (left + across * step_x + MARGIN, top + count * step_y + MARGIN), PAPER
    )
    pen = ImageDraw.Draw(paper)
    for row, name in enumerate(rows):
        pen.text((left - MARGIN, top + row * step_y + step_y / 2), name, INK, font, anchor="rm")
    for column, name in enumerate(columns):
        pen.text((left + column * step_x + step_x / 2, top - MARGIN), name, INK, font, anchor="ms")
    for row in range(count):
        for column in range(across):
            tile = _image(images[row, column]).resize((width * scale, height * scale), Image.Resampling.NEAREST)
            paper.paste(tile, (left + column * step_x, top + row * step_y))
    buffer = io.BytesIO()
    paper.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _image(pixels: Tensor) -> Image.Image:
    """(1 or 3, H, W) uint8 as a picture."""
    array = pixels.numpy()
    return Image.fromarray(array[0] if len(array) == 1 else array.transpose(1, 2, 0))
