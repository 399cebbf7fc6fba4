"""Sampling as it is written down: the whole network for every symbol. What the incremental way is checked against."""

from __future__ import annotations

import torch
from torch import Tensor

from models.hierarchical.config import Grid
from models.hierarchical.drawing import Draws
from models.hierarchical.pixelcnn import GatedPixelCNN
from models.runtime.executor import Draw


@torch.inference_mode()
def draw_naively(network: GatedPixelCNN, grid: Grid, features: Tensor, hows: list[Draw]) -> Tensor:
    """Draw the symbols of whole grids.

    Args:
        network: in evaluation mode.
        grid: to be drawn.
        features: (B, condition, height or 1, width or 1).
        hows: of each of B samples.

    Returns:
        (B, C, H, W) int64.
    """
    draws = Draws(grid, len(hows), features.device)
    for slot, how in enumerate(hows):
        draws.begin(slot, how)
    slots = list(range(len(hows)))
    symbols = torch.zeros(len(hows), grid.channels, grid.height, grid.width, dtype=torch.int64, device=features.device)
    for place in range(grid.places):
        choose = draws.choose(slots, [place] * len(slots))
        at = (place // grid.width, place % grid.width)
        for channel in range(grid.channels):
            logits: Tensor = network(symbols, features)
            symbols[:, channel, *at] = choose(logits[:, channel, *at], channel)
    return symbols
