"""Training images that are nearest to samples (appendix H)."""

from __future__ import annotations

import torch
from torch import Tensor

from training.evaluation.intervals import mean_estimate
from training.hierarchical.report import NeighbourFacts

AT_ONCE = 4096  # training images


def nearest(queries: Tensor, train: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The nearest rows of `train` by the Euclidean distance.

    Args:
        queries: (N, ...), as numbers of any type.
        train: (M, ...) of the same shape, M >= count; compared by pieces.

    Returns:
        Distances and rows, (N, count) each, ascending.
    """
    flat = queries.flatten(1).float()
    best = torch.empty(len(flat), 0)
    rows = torch.empty(len(flat), 0, dtype=torch.int64)
    for start in range(0, len(train), AT_ONCE):
        piece = train[start : start + AT_ONCE].flatten(1).float()
        best = torch.cat([best, torch.cdist(flat, piece)], dim=1)
        rows = torch.cat([rows, torch.arange(start, start + len(piece)).expand(len(flat), -1)], dim=1)
        kept = best.topk(min(count, best.shape[1]), largest=False)
        best, rows = kept.values, rows.gather(1, kept.indices)
    return best, rows


def neighbour_facts(samples: Tensor, test: Tensor, train: Tensor) -> NeighbourFacts:
    """How near samples and as many test images are to training images, all (N, C, H, W) uint8."""
    count = min(len(samples), len(test))
    near = [nearest(images[:count], train, 1)[0].flatten() / 255 for images in (samples, test)]
    return NeighbourFacts(images=count, samples=mean_estimate(near[0]), test=mean_estimate(near[1]))
