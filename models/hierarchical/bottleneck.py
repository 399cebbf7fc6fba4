"""The vector-quantised bottleneck, of one or several channels (section 2.2)."""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from models.hierarchical.config import CodesConfig
from models.quantiser import Quantiser


class Chosen(NamedTuple):
    """Nearest entries.

    Attributes:
        codes: (B, channels, H, W) int64.
        vectors: (B, channels * D, H, W), the entries themselves; their gradient goes to the codebooks.
    """

    codes: Tensor
    vectors: Tensor


class Bottleneck(nn.Module):
    """At each place, a part of the encoder's output per channel becomes the nearest entry of the channel's codebook.

    Codebooks are moving averages of what chose them (`training.codebook.MovingCodebook`, one each), which replaces the
    codebook term of the loss.
    """

    def __init__(self, config: CodesConfig) -> None:
        super().__init__()
        self.config = config
        self.channels = nn.ModuleList(Quantiser(1 << config.bits, config.dim) for _ in range(config.channels))

    @property
    def quantisers(self) -> list[Quantiser]:
        """By channel."""
        return cast("list[Quantiser]", list(self.channels))

    def forward(self, z: Tensor) -> Chosen:
        """Of z (B, channels * D, H, W)."""
        codes = self.nearest(z)
        return Chosen(codes, self.lookup(codes))

    def nearest(self, z: Tensor) -> Tensor:
        """(B, channels * D, H, W) -> codes (B, channels, H, W) int64, without a gradient."""
        parts = self.parts(z.detach())
        chosen = [quantiser.nearest(part) for quantiser, part in zip(self.quantisers, parts, strict=True)]
        return torch.stack(chosen, dim=1)

    def lookup(self, codes: Tensor) -> Tensor:
        """Codes (B, channels, H, W) int64 -> entries (B, channels * D, H, W)."""
        found = [quantiser.lookup(codes[:, index]) for index, quantiser in enumerate(self.quantisers)]
        return torch.cat(found, dim=-1).movedim(-1, 1)

    def parts(self, z: Tensor) -> tuple[Tensor, ...]:
        """(B, channels * D, H, W) -> by channel, (B, H, W, D)."""
        return z.movedim(1, -1).chunk(self.config.channels, dim=-1)
