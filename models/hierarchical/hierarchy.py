"""A whole hierarchical model: its levels, and the prior over the topmost codes."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from models.hierarchical.config import GatedPixelCNNConfig, Grid, HierarchyConfig
from models.hierarchical.level import Level
from models.hierarchical.pixelcnn import GatedPixelCNN


class ClassConditionalPrior(nn.Module):
    """p(codes | label), with a null label for p(codes) (section 7.3 and table 4).

    A label is a vector, which biases every layer as a level's features do.

    Attributes:
        null_label: the number of labels, itself a label.
    """

    def __init__(self, config: GatedPixelCNNConfig, grid: Grid, labels: int) -> None:
        super().__init__()
        self.config, self.grid, self.null_label = config, grid, labels
        self.labels = nn.Embedding(labels + 1, config.hidden)
        self.network = GatedPixelCNN(config, grid, config.hidden)

    def condition(self, labels: Tensor) -> Tensor:
        """Labels (B,) int64, `null_label` for none -> (B, hidden, 1, 1)."""
        features: Tensor = self.labels(labels)
        return features[:, :, None, None]

    def forward(self, codes: Tensor, labels: Tensor) -> Tensor:
        """Teacher-forced logits (B, C, H, W, V) of codes (B, C, H, W) int64."""
        logits: Tensor = self.network(codes, self.condition(labels))
        return logits


class Hierarchy(nn.Module):
    """Levels from the pixels upwards, each trained by itself, and a prior.

    Args:
        config: see there.
        labels: how many there are, the null label not counted.
    """

    def __init__(self, config: HierarchyConfig, labels: int) -> None:
        super().__init__()
        self.config = config
        grids = config.grids
        self._levels = nn.ModuleList(
            Level(level, grid, ordinal=not index)
            for index, (level, grid) in enumerate(zip(config.levels, grids[:-1], strict=True))
        )
        self.prior = ClassConditionalPrior(config.prior, grids[-1], labels)

    @property
    def levels(self) -> list[Level]:
        """From the pixels upwards."""
        return cast("list[Level]", list(self._levels))

    @torch.no_grad()
    def encode(self, x: Tensor) -> list[Tensor]:
        """Pixels (B, C, H, W) int64 -> the symbols of every grid, x itself first."""
        symbols = [x]
        for level in self.levels:
            symbols.append(level.encode(symbols[-1]))
        return symbols

    @torch.no_grad()
    def guess(self, codes: Tensor) -> Tensor:
        """Topmost codes -> pixels (B, C, H, W) int64, by the auxiliary decoders alone."""
        for level in reversed(self.levels):
            codes = level.guess(codes)
        return codes
