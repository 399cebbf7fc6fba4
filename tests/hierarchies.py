"""Small hierarchical models with random weights, and grids to draw."""

from __future__ import annotations

import torch
from torch import Tensor

from models.hierarchical.config import (
    AuxiliaryConfig,
    CodesConfig,
    FeedForwardConfig,
    GatedPixelCNNConfig,
    Grid,
    HierarchyConfig,
    LevelConfig,
    MaskedConfig,
    ResidualNetConfig,
)
from models.hierarchical.hierarchy import Hierarchy
from models.hierarchical.level import Level
from models.hierarchical.pixelcnn import GatedPixelCNN

NET = ResidualNetConfig(layers=1, hidden=8, bottleneck=6)
FEED_FORWARD = FeedForwardConfig(network=NET)
MASKED = MaskedConfig(network=NET, teacher=NET, size=3)
LABELS = 3
CONDITION = 5


def level_config(
    auxiliary: AuxiliaryConfig = FEED_FORWARD, *, reduction: int = 2, channels: int = 1, bits: int = 3
) -> LevelConfig:
    """A level whose networks have a block each."""
    return LevelConfig(
        codes=CodesConfig(channels=channels, bits=bits, dim=4),
        reduction=reduction,
        encoder=NET,
        auxiliary=auxiliary,
        modulator=NET,
        local=GatedPixelCNNConfig(layers=2, hidden=9),
    )


def hierarchy_config(*levels: LevelConfig, channels: int = 1, edge: int = 8, bits: int = 4) -> HierarchyConfig:
    """Levels over pictures of so many pixels a side, and a prior with attention."""
    prior = GatedPixelCNNConfig(layers=3, hidden=8, residual=12, attention=2, heads=2, timing="add", dropout=0.1)
    pixels = Grid(channels=channels, height=edge, width=edge, bits=bits)
    return HierarchyConfig(pixels=pixels, levels=levels, prior=prior)


def random_hierarchy(config: HierarchyConfig, dtype: torch.dtype = torch.float32) -> Hierarchy:
    """In evaluation mode; logits and code vectors differ enough for samples to."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        hierarchy = Hierarchy(config, LABELS)
        for level in hierarchy.levels:
            spread(level.local)
            for quantiser in level.bottleneck.quantisers:
                torch.nn.init.normal_(quantiser.codebook)
        spread(hierarchy.prior.network)
    return hierarchy.to(dtype).eval().requires_grad_(False)


def random_level(config: LevelConfig, grid: Grid, *, ordinal: bool = True) -> Level:
    """In training mode."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Level(config, grid, ordinal=ordinal)


def random_network(config: GatedPixelCNNConfig, grid: Grid, dtype: torch.dtype = torch.float32) -> GatedPixelCNN:
    """In evaluation mode, of features with `CONDITION` channels."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = GatedPixelCNN(config, grid, CONDITION)
        spread(network)
    return network.to(dtype).eval().requires_grad_(False)


def spread(network: GatedPixelCNN) -> None:
    """Have symbols matter, and their logits differ."""
    for parameter in network.parameters():
        parameter.data *= 2
    network.head.weight.data *= 4


def random_symbols(grid: Grid, count: int, seed: int = 0) -> Tensor:
    """(count, C, H, W) int64."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(grid.values, (count, grid.channels, grid.height, grid.width), generator=generator)


def random_features(
    grid: Grid, count: int, *, spatial: bool, dtype: torch.dtype = torch.float32, seed: int = 0
) -> Tensor:
    """(count, CONDITION, H or 1, W or 1)."""
    edges = (grid.height, grid.width) if spatial else (1, 1)
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, CONDITION, *edges, dtype=dtype, generator=generator)
