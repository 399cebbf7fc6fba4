"""A convolutional prior: a PixelCNN over codes laid out in a square (anytime paper, appendix C.2).

The plain masked stack with residual blocks of Oord et al. 2016 (arXiv 1601.06759, table 1), which is the PixelCNN that
the paper cites; the gated one (arXiv 1606.05328) came later. It has that one's reason to be, a blind spot: d rows up, a
place sees no further to the right than d times half the filter. Its units are exact, as those of the Transformer are.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad

from models.config import PixelCNNConfig
from models.prior.base import Prior


class MaskedConvolution(nn.Conv2d):
    """(B, inputs, g, g) -> (B, outputs, g, g), each place seeing those before it in reading order, and no other.

    Args:
        filter: edge of the square of weights, of which those past the centre count for nothing.
        centre: whether a place also sees itself: not where codes go in, which would show what is to be predicted
            (mask A), but in all layers after that (mask B).
    """

    mask: Tensor

    def __init__(self, inputs: int, outputs: int, filter: int, *, centre: bool) -> None:  # noqa: A002
        super().__init__(inputs, outputs, filter, padding=filter // 2)
        before = filter**2 // 2 + centre
        mask = (torch.arange(filter**2) < before).float().view(filter, filter)
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return conv2d(x, self.weight * self.mask, self.bias, padding=self.padding)


class ResidualBlock(nn.Module):
    """Half as many channels, a masked convolution shifted by the label, and back: (B, width, g, g) -> the same."""

    def __init__(self, config: PixelCNNConfig, labels: int) -> None:
        super().__init__()
        half = config.width // 2
        self.reduce = nn.Conv2d(config.width, half, 1)
        self.convolve = MaskedConvolution(half, half, config.filter, centre=True)
        self.shift = nn.Embedding(labels + 1, half)
        self.expand = nn.Conv2d(half, config.width, 1)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        """Of the labels (B,) the last is the null label."""
        hidden: Tensor = self.convolve(torch.relu(self.reduce(torch.relu(x))))
        hidden = self.dropout(torch.relu(hidden + self.shift(labels)[:, :, None, None]))
        out: Tensor = x + self.expand(hidden)
        return out


class PixelCNNPrior(Prior):
    """Codes in reading order on the smallest square that holds them: 70 on 9 x 9, as in the paper.

    The places left over are at the end, where no code sees them; so zeros fill them, and nothing is learned there.

    Attributes:
        edge: of the square, g.
    """

    config: PixelCNNConfig

    def __init__(self, config: PixelCNNConfig, codes: int, codebook: int, labels: int) -> None:
        super().__init__(codes, codebook, labels)
        self.config = config
        self.edge = math.isqrt(codes - 1) + 1
        self.embedding = nn.Embedding(codebook, config.width)
        self.first = MaskedConvolution(config.width, config.width, config.filter, centre=False)
        self.blocks = nn.ModuleList(ResidualBlock(config, labels) for _ in range(config.layers))
        self.hidden = nn.Linear(config.width, config.width)
        self.head = nn.Linear(config.width, codebook)

    def forward(self, codes: Tensor, labels: Tensor) -> Tensor:
        """See `Prior.forward`."""
        places = pad(self.embedding(codes), (0, 0, 0, self.edge**2 - self.codes))  # (B, g * g, width)
        x = self.first(places.transpose(1, 2).reshape(len(codes), -1, self.edge, self.edge))
        for block in self.blocks:
            x = block(x, labels)
        features = x.flatten(2)[:, :, : self.codes].transpose(1, 2)  # (B, K, width)
        logits: Tensor = self.head(torch.relu(self.hidden(torch.relu(features))))
        return logits
