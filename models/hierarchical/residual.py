"""Residual nets, what goes into them, and how they change size (appendix A)."""

from __future__ import annotations

import itertools
from typing import cast

import torch
from torch import Tensor, nn

from models.hierarchical.config import Grid, ResidualNetConfig


class ResidualBlock(nn.Module):
    """ReLU, 3x3, ReLU, 1x1, added to the input: (B, hidden, H, W) -> the same."""

    def __init__(self, hidden: int, bottleneck: int) -> None:
        super().__init__()
        self.narrow = nn.Conv2d(hidden, bottleneck, 3, padding=1)
        self.widen = nn.Conv2d(bottleneck, hidden, 1)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        out: Tensor = x + self.widen(torch.relu(self.narrow(torch.relu(x))))
        return out


class ResidualNet(nn.Sequential):
    """Blocks, and the ReLU that full pre-activation ends with: (B, hidden, H, W) -> the same."""

    def __init__(self, config: ResidualNetConfig) -> None:
        blocks = [ResidualBlock(config.hidden, config.bottleneck) for _ in range(config.layers)]
        super().__init__(*blocks, nn.ReLU())


class OneHotInput(nn.Module):
    """A 1x1 convolution of symbols in a one-hot representation, which is never written out.

    Masked places are zeros in that representation, and so differ from every symbol (appendix A).
    """

    def __init__(self, grid: Grid, hidden: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(grid.channels * grid.values, hidden))
        self.bias = nn.Parameter(torch.zeros(hidden))
        nn.init.normal_(self.weight, std=grid.channels**-0.5)  # outputs of unit variance: one weight per channel counts
        self._first_rows = [channel * grid.values for channel in range(grid.channels)]

    def forward(self, x: Tensor, kept: Tensor | None = None) -> Tensor:
        """(B, C, H, W) int64 and, unless all places are kept, kept (B, H, W) bool -> (B, hidden, H, W)."""
        rows = x + torch.tensor(self._first_rows, device=x.device)[:, None, None]
        summed = nn.functional.embedding(rows, self.weight).sum(1)  # (B, H, W, hidden)
        if kept is not None:
            summed = summed * kept[..., None]
        return (summed + self.bias).movedim(-1, 1)


class IntensityInput(nn.Module):
    """A 3x3 convolution of pixels as intensities: (B, C, H, W) int64 -> (B, hidden, H, W)."""

    def __init__(self, grid: Grid, hidden: int) -> None:
        super().__init__()
        self._grid = grid
        self.convolve = nn.Conv2d(grid.channels, hidden, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        out: Tensor = self.convolve(2 * intensities(x, self._grid, self.convolve.weight.dtype) - 1)
        return out


def intensities(x: Tensor, grid: Grid, dtype: torch.dtype = torch.float32) -> Tensor:
    """Pixels from 0 to 1, of symbols."""
    return x.to(dtype) / (grid.values - 1)


def pixels(x: Tensor, grid: Grid) -> Tensor:
    """The inverse: the nearest symbols, int64."""
    return (x.clamp(0, 1) * (grid.values - 1)).round().long()


def downsampling(halvings: int, hidden: int, outputs: int) -> nn.Sequential:
    """Strided convolutions, each of which halves the edges: (B, hidden, H, W) -> (B, outputs, H / 2^n, W / 2^n)."""
    widths = [hidden] * halvings + [outputs]
    layers = [nn.Conv2d(a, b, 4, stride=2, padding=1) for a, b in itertools.pairwise(widths)]
    return _between(layers)


def upsampling(halvings: int, inputs: int, hidden: int) -> nn.Sequential:
    """Subpixel convolutions, each of which doubles the edges: (B, inputs, H, W) -> (B, hidden, H 2^n, W 2^n)."""
    widths = [inputs] + [hidden] * halvings
    layers = [
        nn.Sequential(nn.Conv2d(a, 4 * b, 3, padding=1), nn.PixelShuffle(2)) for a, b in itertools.pairwise(widths)
    ]
    return _between(layers)


def _between(layers: list[nn.Conv2d] | list[nn.Sequential]) -> nn.Sequential:
    """A ReLU between two layers each."""
    return nn.Sequential(*[module for layer in cast("list[nn.Module]", layers) for module in (nn.ReLU(), layer)][1:])
