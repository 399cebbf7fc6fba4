"""A coarse picture in, the distribution of the true one's pixels out."""

from __future__ import annotations

from torch import Tensor, nn

from models.hierarchical.config import Grid
from models.hierarchical.pixelcnn import GatedPixelCNN
from models.hierarchical.residual import ResidualNet
from models.refined.config import RefinerConfig


class Refiner(nn.Module):
    """Section 4's conditional autoregressive decoder, of a picture instead of a grid of codes.

    It is convolutional: it takes crops as well as whole pictures.

    Args:
        config: see there.
        grid: of the pixels.
    """

    def __init__(self, config: RefinerConfig, grid: Grid) -> None:
        super().__init__()
        self.config, self.grid = config, grid
        hidden = config.modulator.hidden
        self.input = nn.Conv2d(grid.channels, hidden, 3, padding=1)
        self.modulator = ResidualNet(config.modulator)
        self.local = GatedPixelCNN(config.local, grid, hidden)

    def condition(self, pictures: Tensor) -> Tensor:
        """What the local model needs to know of pictures (B, C, H, W), from 0 to 1: (B, hidden, H, W)."""
        features: Tensor = self.modulator(self.input(2 * pictures - 1))
        return features

    def forward(self, x: Tensor, pictures: Tensor) -> Tensor:
        """Teacher-forced logits (B, C, H, W, V) of symbols (B, C, H, W) int64, given pictures."""
        logits: Tensor = self.local(x, self.condition(pictures))
        return logits
