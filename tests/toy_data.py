"""A data set small enough to train on in a test: 8x8 pictures of three easily told classes."""

from __future__ import annotations

import struct
from pathlib import Path

import torch

from training.data.dataset import Split


def toy_split(count: int, seed: int = 0, classes: int = 3, size: int = 8) -> Split:
    """Pictures lit in the part that belongs to their class, of varying brightness and with some noise."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % classes
    images = torch.randint(0, 30, (count, 1, size, size), generator=generator)
    brightness = torch.randint(100, 220, (count,), generator=generator)
    rows = size // classes
    for image, label, level in zip(images, labels.tolist(), brightness.tolist(), strict=True):
        image[:, label * rows : (label + 1) * rows] += level
    return Split(images.to(torch.uint8), labels)


def write_idx_folder(folder: Path, train: Split, test: Split) -> Path:
    """Write the four files of an MNIST-style data set."""
    folder.mkdir(parents=True, exist_ok=True)
    for part, split in (("train", train), ("t10k", test)):
        for content, values in (("images", split.images[:, 0]), ("labels", split.labels.to(torch.uint8))):
            header = struct.pack(f">I{values.dim()}I", 0x800 + values.dim(), *values.shape)
            (folder / f"{part}-{content}-idx{values.dim()}-ubyte").write_bytes(header + values.numpy().tobytes())
    return folder
