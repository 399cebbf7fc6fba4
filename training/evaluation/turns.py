"""Quarter turns: what a classifier learns to tell apart where the data has no classes.

To see which way up a picture is one must know something of what it shows (RotNet; Gidaris, Singh and Komodakis, 2018),
and it takes no labels. With a single class a classifier would learn nothing at all, and its features mean nothing.
"""

from __future__ import annotations

import torch
from torch import Tensor

from training.data.dataset import Split


def turns_of(shape: tuple[int, ...]) -> int:
    """How many turns keep the shape (C, H, W) of a picture: 4 of a square, else 2, upright and upside down."""
    return 4 if shape[-2] == shape[-1] else 2


def turned(images: Tensor, labels: Tensor) -> Tensor:
    """Pictures (N, C, H, W), each turned by its label (N,) int64: in quarters of a circle, in halves if not square."""
    count = turns_of(tuple(images.shape[1:]))
    result = images.clone()
    for label in range(1, count):
        rows = (labels == label).nonzero().flatten()
        result[rows] = images[rows].rot90(label * 4 // count, (2, 3))
    return result


def in_turn(split: Split) -> Split:
    """A split whose pictures are turned one way after another, and labelled with that."""
    labels = torch.arange(len(split)) % turns_of(tuple(split.images.shape[1:]))
    return Split(turned(split.images, labels), labels)


def at_random(count: int, shape: tuple[int, ...], seed: int) -> Tensor:
    """A turn for each of so many pictures of a shape, (count,) int64."""
    return torch.randint(turns_of(shape), (count,), generator=torch.Generator().manual_seed(seed))
