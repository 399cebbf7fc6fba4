"""What a picture is made of where nothing has been drawn yet."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from models.hierarchical.hierarchy import Hierarchy
from models.hierarchical.sampling import AnySampler, draw_all
from models.runtime.executor import Draw
from models.runtime.protocol import SampleRequest


def likeliest_codes(hierarchy: Hierarchy, sampler: AnySampler) -> Tensor:
    """For each label and none, what the prior draws at temperature 0: (labels + 1, C, H, W) int64.

    Args:
        sampler: of the prior, its slots all free.
    """
    prior = hierarchy.prior
    features = prior.condition(torch.arange(prior.null_label + 1, device=prior.labels.weight.device))
    how = Draw.of(SampleRequest(0, temperature=0), sampler.grid.values, np.zeros(sampler.grid.symbols))
    found = []
    for start in range(0, len(features), sampler.slots):
        chunk = features[start : start + sampler.slots]
        found.append(draw_all(sampler, chunk, [how] * len(chunk)))
    return torch.cat(found)


def fill_top(known: Tensor, drawn: Tensor, likeliest: Tensor) -> Tensor:
    """The topmost grid, where it is not drawn as the prior has it for the label.

    A pass of the prior knows better, and takes about as long as to draw the rest: each computes every layer once at
    every place. So the time is better spent on codes.

    Args:
        known: (B, C, H, W) int64; what is not drawn means nothing.
        drawn: (B, 1, H, W) bool.
        likeliest: (B, C, H, W) int64, of each label; see `likeliest_codes`.
    """
    return torch.where(drawn, known, likeliest)


def fill_below(hierarchy: Hierarchy, index: int, known: Tensor, drawn: Tensor, above: Tensor) -> Tensor:
    """A grid below, where it is not drawn as the auxiliary decoder has it, given the grid above, which is complete."""
    return torch.where(drawn, known, hierarchy.levels[index].guess(above))


def down_to_pixels(hierarchy: Hierarchy, index: int, symbols: Tensor) -> Tensor:
    """Pixels (B, C, H, W) int64 of a complete grid, by the auxiliary decoders alone."""
    for level in reversed(hierarchy.levels[:index]):
        symbols = level.guess(symbols)
    return symbols
