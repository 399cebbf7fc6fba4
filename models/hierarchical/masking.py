"""Which squares of an image are masked for self-prediction (section 4.2, appendix A)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from models.hierarchical.config import MaskedConfig


class Masks(NamedTuple):
    """Squares masked in each of B images.

    Attributes:
        kept: (B, H, W) bool, false within a square.
        centres: (B, M) int64, the middle of each in reading order.
    """

    kept: Tensor
    centres: Tensor


def draw_masks(config: MaskedConfig, batch: int, height: int, width: int, generator: torch.Generator) -> Masks:
    """Squares around distinct places, all equally likely; what lies over an edge is cut off.

    The paper masks the same number in crops of any size; a grid with fewer places has one square around each of them.

    Args:
        generator: on the CPU, where the masks are made.
    """
    count = min(config.masks, height * width)
    centres = torch.rand(batch, height * width, generator=generator).topk(count).indices
    reach = config.size // 2
    rows, columns = centres // width, centres % width  # (B, M)
    within_rows = (torch.arange(height) - rows[..., None]).abs() <= reach  # (B, M, H)
    within_columns = (torch.arange(width) - columns[..., None]).abs() <= reach
    masked = torch.einsum("bmh,bmw->bhw", within_rows.float(), within_columns.float()) > 0
    return Masks(~masked, centres)


def at_places(features: Tensor, places: Tensor) -> Tensor:
    """Of features (B, F, H, W), those at places (B, M) in reading order: (B, M, F)."""
    flat = features.flatten(2).transpose(1, 2)
    return flat.gather(1, places[..., None].expand(-1, -1, flat.shape[2]))
