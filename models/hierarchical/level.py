"""One level: a discrete autoencoder with an auxiliary and an autoregressive decoder (figure 4)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.hierarchical.bottleneck import Bottleneck
from models.hierarchical.config import Grid, LevelConfig, MaskedConfig, ResidualNetConfig
from models.hierarchical.pixelcnn import GatedPixelCNN
from models.hierarchical.residual import (
    IntensityInput,
    OneHotInput,
    ResidualNet,
    downsampling,
    intensities,
    pixels,
    upsampling,
)


class Encoder(nn.Module):
    """Symbols (B, C, H, W) int64 -> z (B, channels * D, H / reduction, W / reduction)."""

    def __init__(self, config: LevelConfig, grid: Grid, *, ordinal: bool) -> None:
        super().__init__()
        hidden = config.encoder.hidden
        self.input = IntensityInput(grid, hidden) if ordinal else OneHotInput(grid, hidden)
        self.net = ResidualNet(config.encoder)
        self.down = downsampling(config.halvings, hidden, config.codes.channels * config.codes.dim)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        z: Tensor = self.down(self.net(self.input(x)))
        return z


class Expansion(nn.Module):
    """What auxiliary decoder and modulator are: entries (B, channels * D, H, W) -> (B, hidden, 2^n H, 2^n W)."""

    def __init__(self, config: LevelConfig, net: ResidualNetConfig) -> None:
        super().__init__()
        self.up = upsampling(config.halvings, config.codes.channels * config.codes.dim, net.hidden)
        self.net = ResidualNet(net)

    def forward(self, vectors: Tensor) -> Tensor:
        """See the class."""
        features: Tensor = self.net(self.up(vectors))
        return features


class SymbolHead(nn.Linear):
    """Features of a place (..., hidden) -> logits of its symbols (..., C, V), each by itself."""

    def __init__(self, hidden: int, grid: Grid) -> None:
        super().__init__(hidden, grid.channels * grid.values)
        self._shape = (grid.channels, grid.values)

    def forward(self, features: Tensor) -> Tensor:
        """See the class."""
        return super().forward(features).view(*features.shape[:-1], *self._shape)


class Teacher(nn.Module):
    """Predicts symbols from an input in which they, and those around them, are masked."""

    def __init__(self, net: ResidualNetConfig, grid: Grid) -> None:
        super().__init__()
        self.input = OneHotInput(grid, net.hidden)
        self.net = ResidualNet(net)
        self.head = SymbolHead(net.hidden, grid)

    def forward(self, x: Tensor, kept: Tensor) -> Tensor:
        """Symbols (B, C, H, W) int64, kept (B, H, W) bool -> features (B, hidden, H, W), for `head`."""
        features: Tensor = self.net(self.input(x, kept))
        return features


class Level(nn.Module):
    """Turns a grid of symbols into a smaller grid of codes, and back.

    Every network is convolutional: a level takes crops of its grid as well as the whole.

    Args:
        config: see there.
        grid: what it is made of: pixels, or the codes of the level below.
        ordinal: whether the symbols are intensities, which reconstruction may then average, and not codes.

    Attributes:
        squared: whether the auxiliary decoder is trained by squared error (algorithm 2, l = 1); otherwise it gives
            logits.
        teacher: only with masked self-prediction; only for training.
    """

    def __init__(self, config: LevelConfig, grid: Grid, *, ordinal: bool) -> None:
        super().__init__()
        self.config, self.grid, self.ordinal = config, grid, ordinal
        auxiliary = config.auxiliary
        masked = isinstance(auxiliary, MaskedConfig)
        self.squared = ordinal and not masked
        self.encoder = Encoder(config, grid, ordinal=self.squared)
        self.bottleneck = Bottleneck(config.codes)
        self.auxiliary = Expansion(config, auxiliary.network)
        hidden = auxiliary.network.hidden
        self.head = nn.Linear(hidden, grid.channels) if self.squared else SymbolHead(hidden, grid)
        self.teacher = Teacher(auxiliary.teacher, grid) if isinstance(auxiliary, MaskedConfig) else None
        self.modulator = Expansion(config, config.modulator)
        self.local = GatedPixelCNN(config.local, grid, config.modulator.hidden)

    def encode(self, x: Tensor) -> Tensor:
        """Symbols (B, C, H, W) int64 -> codes (B, channels, H / reduction, W / reduction) int64."""
        return self.bottleneck.nearest(self.encoder(x))

    def condition(self, codes: Tensor) -> Tensor:
        """What the local model needs to know of codes: (B, hidden, H, W)."""
        features: Tensor = self.modulator(self.bottleneck.lookup(codes))
        return features

    def forward(self, x: Tensor, codes: Tensor) -> Tensor:
        """Teacher-forced logits of the autoregressive decoder (B, C, H, W, V), of symbols given codes."""
        logits: Tensor = self.local(x, self.condition(codes))
        return logits

    def reconstruct(self, vectors: Tensor) -> Tensor:
        """The auxiliary decoder's output for entries: intensities (B, C, H, W), or logits (B, C, H, W, V)."""
        output: Tensor = self.head(self.auxiliary(vectors).movedim(1, -1))  # (B, H, W, C) or (B, H, W, C, V)
        return output.movedim(3, 1)

    def guess(self, codes: Tensor) -> Tensor:
        """What the auxiliary decoder takes the input to have been, at once: symbols (B, C, H, W) int64.

        Intensities are the mean of what it thinks possible, which a viewer forgives more than one of them picked at
        each place; codes, which have no mean, are the most likely.
        """
        output = self.reconstruct(self.bottleneck.lookup(codes))
        if self.squared:
            return pixels(output, self.grid)
        if not self.ordinal:
            return output.argmax(-1)
        scale = intensities(torch.arange(self.grid.values, device=codes.device), self.grid, output.dtype)
        return pixels(output.softmax(-1) @ scale, self.grid)
