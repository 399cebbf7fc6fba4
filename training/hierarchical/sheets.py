"""Sheets of samples, reconstructions and nearest neighbours, as PNG."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from training.evaluation.pictures import COLUMNS, MOST_LABELS, RECONSTRUCTIONS, SAMPLES, sheet
from training.files import write_atomically

AUXILIARY = "samples-auxiliary.png"
NEIGHBOURS = "neighbours.png"
NEIGHBOUR_COUNT = 8


def write_samples(directory: Path, drawn: Tensor, auxiliary: Tensor, labels: Tensor, names: tuple[str, ...]) -> None:
    """`samples.png`, a row per label, and `samples-auxiliary.png`, the same topmost codes by auxiliary decoders.

    Args:
        drawn, auxiliary: (N, C, H, W) uint8.
        labels: (N,) int64, each at least once.
    """
    of_label = [(labels == label).nonzero().flatten()[:COLUMNS] for label in range(len(names[:MOST_LABELS]))]
    fewest = min(len(rows) for rows in of_label)
    rows = torch.stack([rows[:fewest] for rows in of_label])
    for name, images in ((SAMPLES, drawn), (AUXILIARY, auxiliary)):
        write_atomically(directory / name, sheet(images[rows], names[:MOST_LABELS], ()))


def write_reconstructions(directory: Path, originals: Tensor, drawings: list[Tensor], auxiliary: Tensor) -> None:
    """`reconstructions.png`: an image per column; below it what is drawn from its topmost codes, and the differences.

    A difference is grey where there is none, as in figure 10.

    Args:
        originals, auxiliary: (N, C, H, W) uint8; the second by auxiliary decoders.
        drawings: several, each of the same shape.
    """
    rows = {"original": originals}
    named = [(f"drawn, {number}", images) for number, images in enumerate(drawings, 1)]
    for name, images in [("auxiliary", auxiliary), *named]:
        rows[name] = images
        rows[f"{name}: difference"] = _difference(images, originals)
    write_atomically(directory / RECONSTRUCTIONS, sheet(torch.stack(list(rows.values())), tuple(rows), ()))


def write_neighbours(directory: Path, samples: Tensor, found: dict[str, Tensor], names: tuple[str, ...]) -> None:
    """`neighbours.png`: each sample, then the nearest training images, a row for each kind of distance.

    Args:
        samples: (N, C, H, W) uint8, one of each of the first labels.
        found: by kind of distance, (N, n, C, H, W) uint8.
    """
    rows, labels = [], []
    for index, (sample, name) in enumerate(zip(samples, names, strict=False)):
        for kind, images in found.items():
            rows.append(torch.cat([sample[None], images[index]]))
            labels.append(f"{name}: {kind}")
    write_atomically(directory / NEIGHBOURS, sheet(torch.stack(rows), labels, ()))


def _difference(images: Tensor, originals: Tensor) -> Tensor:
    return ((images.int() - originals.int()) // 2 + 128).clamp(0, 255).to(torch.uint8)
