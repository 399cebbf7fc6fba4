"""The gated PixelCNN (Oord et al. 2016, arXiv 1606.05328), with self-attention where the configuration has it.

Two stacks of convolutions. The vertical one knows the rows above; the horizontal one its own row up to the symbol, and
at every layer what the vertical one has found. Together they see all that comes before, without a blind spot.
"""

from __future__ import annotations

from functools import cache
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from models.hierarchical.causal import CausalAttention, OrderedConvolution, timing_signal, unit_channels
from models.hierarchical.config import GatedPixelCNNConfig, Grid


def gate(x: Tensor) -> Tensor:
    """Tanh of the first half of the channels, let through by the sigmoid of the second."""
    content, opening = x.chunk(2, dim=1)
    return content.tanh() * opening.sigmoid()


class GatedLayer(nn.Module):
    """One layer of both stacks (figure 2 of the gated PixelCNN's paper), biased by the features it is conditioned on.

    The last 1x1 convolution of the residual connection has no bias: the next layer's does as well.

    Args:
        config: of the network.
        inputs: (inputs,) int64, the channel that each unit belongs to.
        units: (hidden,) int64, the same of its outputs.
        condition: channels of the features.
        first: whether the symbols themselves come in, of which none may see its own (mask A).
    """

    def __init__(
        self, config: GatedPixelCNNConfig, inputs: Tensor, units: Tensor, condition: int, *, first: bool
    ) -> None:
        super().__init__()
        both = torch.cat((units, units))
        self.first = first
        self.reach = config.filter // 2
        self.vertical = nn.Conv2d(len(inputs), len(both), (self.reach + 1, config.filter))
        self.across = nn.Conv2d(len(both), len(both), 1, bias=False)
        self.horizontal = OrderedConvolution(inputs, both, left=self.reach, strict=first)
        self.condition = nn.Conv2d(condition, 2 * len(both), 1, bias=False)
        inner = unit_channels(config.residual, int(units[-1]) + 1) if config.residual else None
        self.residual = _residual(units, inner)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, vertical: Tensor, horizontal: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """Both stacks (B, inputs, H, W), features (B, condition, H or 1, W or 1) -> both stacks (B, hidden, H, W)."""
        down, right = self.condition(features).chunk(2, dim=1)
        # A place knows of itself what the rows above have shown; where symbols come in, they are moved down by one.
        seen = pad(vertical, (self.reach, self.reach, self.reach + self.first, 0))
        above = self.vertical(seen[:, :, : seen.shape[2] - self.first]) + down
        beside = self.horizontal(horizontal) + self.across(above) + right
        found = self.residual(self.dropout(gate(beside)))
        return gate(above), found if self.first else horizontal + found


class GatedPixelCNN(nn.Module):
    """p(symbol | symbols before it, features), of a grid or a crop of it.

    Attributes:
        config, grid: as given.
        condition: channels of the features.
        inputs: channels that the first layer sees.
        embeddings: by channel, of its symbols into the units that belong to it.
    """

    def __init__(self, config: GatedPixelCNNConfig, grid: Grid, condition: int) -> None:
        super().__init__()
        config.check(grid)
        self.config, self.grid, self.condition = config, grid, condition
        units = unit_channels(config.hidden, grid.channels)
        self.embeddings = nn.ModuleList(nn.Embedding(grid.values, int(size)) for size in units.bincount())
        timing = torch.full((config.hidden,), -1, device="cpu") if config.timing == "concat" else units[:0]
        inputs = torch.cat((timing, units))
        self.inputs = len(inputs)
        self.layers = nn.ModuleList(
            GatedLayer(config, units if index else inputs, units, condition, first=not index)
            for index in range(config.layers)
        )
        self.attention = nn.ModuleDict(
            {str(index): CausalAttention(config.hidden, config.heads) for index in sorted(config.attends_after)}
        )
        self.output = OrderedConvolution(units, units)
        self.head = OrderedConvolution(units, unit_channels(grid.channels * grid.values, grid.channels))

    def embed(self, x: Tensor) -> Tensor:
        """Symbols (B, C, H, W) int64 -> what the first layer sees, (B, inputs, H, W)."""
        tables = cast("list[nn.Embedding]", self.embeddings)
        embedded = torch.cat([table(x[:, index]) for index, table in enumerate(tables)], dim=-1).movedim(-1, 1)
        return self.timed(embedded, _timing(self.config.hidden, *x.shape[2:]))

    def timed(self, embedded: Tensor, signal: Tensor) -> Tensor:
        """Embedded symbols (B, hidden, ...) with the timing signal (hidden, ...), if the network has one."""
        if self.config.timing is None:
            return embedded
        signal = signal.to(embedded)
        if self.config.timing == "add":
            return embedded + signal
        return torch.cat((signal.expand_as(embedded), embedded), dim=1)

    def forward(self, x: Tensor, features: Tensor) -> Tensor:
        """Teacher-forced logits.

        Args:
            x: symbols (B, C, H, W) int64.
            features: (B, condition, H or 1, W or 1).

        Returns:
            (B, C, H, W, V).
        """
        vertical = horizontal = self.embed(x)
        for index, layer in enumerate(self.layers):
            vertical, horizontal = layer(vertical, horizontal, features)
            if str(index) in self.attention:
                horizontal = self.attention[str(index)](horizontal)
        logits: Tensor = self.head(torch.relu(self.output(torch.relu(horizontal))))
        return logits.view(len(x), self.grid.channels, self.grid.values, *x.shape[2:]).movedim(2, -1)


@cache
def _timing(width: int, height: int, columns: int) -> Tensor:
    return timing_signal(width, height, columns)


def _residual(units: Tensor, inner: Tensor | None) -> nn.Sequential:
    """The 1x1 convolutions of the residual connection; `inner` are the channels of the units between two of them."""
    if inner is None:
        return nn.Sequential(OrderedConvolution(units, units, bias=False))
    return nn.Sequential(OrderedConvolution(units, inner), nn.ReLU(), OrderedConvolution(inner, units, bias=False))
