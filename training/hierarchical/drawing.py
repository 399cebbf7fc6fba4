"""Drawing grids from codes, place by place: what a hierarchy makes of topmost codes that are given to it."""

from __future__ import annotations

import torch
from torch import Tensor

from models.config import SamplingDefaults
from models.hierarchical.hierarchy import Hierarchy
from models.hierarchical.level import Level
from models.hierarchical.sampling import draw_all, hows, sampler_of
from models.runtime.protocol import SampleRequest

BATCH = 64


def draw_below(
    hierarchy: Hierarchy, codes: Tensor, seed: int, sampling: SamplingDefaults, first_sample: int = 0
) -> list[Tensor]:
    """Draw all grids below topmost codes, as algorithm 4 does once the prior has drawn those.

    Args:
        hierarchy: in evaluation mode.
        codes: (N, C, H, W) int64.
        seed, first_sample: row i is drawn by the numbers of (seed, first_sample + i).

    Returns:
        The symbols of every grid, pixels first and the codes last, (N, C, H, W) int64 each, on the CPU.
    """
    config, known = hierarchy.config, codes
    requests = [SampleRequest(seed, first_sample + row, **sampling.model_dump()) for row in range(len(codes))]
    drawn = [codes.cpu()]
    for index, level in reversed(list(enumerate(hierarchy.levels))):
        known = _draw_level(level, known, requests, config.first_symbols[index])
        drawn.append(known.cpu())
    return drawn[::-1]


def draw_pixels(hierarchy: Hierarchy, codes: Tensor, seed: int, sampling: SamplingDefaults) -> list[Tensor]:
    """Like `draw_below`, but only pixels are drawn, and the grids between are guessed by auxiliary decoders."""
    config, known = hierarchy.config, [codes]
    requests = [SampleRequest(seed, row, **sampling.model_dump()) for row in range(len(codes))]
    with torch.inference_mode():
        for level in reversed(hierarchy.levels[1:]):
            known.append(level.guess(known[-1]))
    known.append(_draw_level(hierarchy.levels[0], known[-1], requests, config.first_symbols[0]))
    return [grid.cpu() for grid in reversed(known)]


def draw_reconstruction(level: Level, codes: Tensor, seed: int) -> Tensor:
    """What a level is made of, drawn given its codes: (N, C, H, W) int64."""
    requests = [SampleRequest(seed, row) for row in range(len(codes))]
    return _draw_level(level, codes, requests, 0)


@torch.inference_mode()
def _draw_level(level: Level, codes: Tensor, requests: list[SampleRequest], first: int) -> Tensor:
    slots = min(BATCH, len(codes))
    sampler = sampler_of(level.local, level.grid, slots, spatial=True)
    how = hows(requests, (level.grid,), (first,), 0)
    starts = range(0, len(codes), slots)
    parts = [draw_all(sampler, level.condition(codes[at : at + slots]), how[at : at + slots]) for at in starts]
    return torch.cat(parts)
