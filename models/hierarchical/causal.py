"""Pieces of a gated PixelCNN that keep a symbol from being seen before its turn.

Each unit belongs to a channel of the picture, and knows of its own place only the channels before: in the first layer
those before its own (mask A), after that its own as well (mask B), since by then it stands for what is before it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad, scaled_dot_product_attention


def unit_channels(units: int, channels: int) -> Tensor:
    """The channel that each of so many units belongs to, in order: (units,) int64."""
    return torch.arange(units, device="cpu") * channels // units  # also where networks are built without memory


class OrderedConvolution(nn.Conv2d):
    """(B, inputs, H, W) -> (B, outputs, H, W), each place seeing itself and so many places to its left.

    Args:
        inputs: (inputs,) int64, ascending, the channel of each; -1 for what all may know.
        outputs: (outputs,) int64, the same of each; in any order.
        left: how many places.
        strict: whether of its own place a unit sees only channels before its own (mask A).
    """

    mask: Tensor | None  # None where nothing is left out, which is nearly everywhere if there is one channel

    def __init__(
        self, inputs: Tensor, outputs: Tensor, *, left: int = 0, strict: bool = False, bias: bool = True
    ) -> None:
        super().__init__(len(inputs), len(outputs), (1, left + 1), bias=bias)
        before = inputs < outputs[:, None] if strict else inputs <= outputs[:, None]
        mask = None
        if not before.all():
            mask = torch.ones(self.weight.shape, device="cpu")
            mask[:, :, 0, left] = before.float()
        self.register_buffer("mask", mask, persistent=False)
        self.inputs, self.outputs = inputs, outputs
        self._left, self._strict = left, strict

    @property
    def channels(self) -> int:
        """How many of them outputs belong to."""
        return int(self.outputs.max()) + 1

    def of(self, channel: int) -> Tensor:
        """Which outputs belong to a channel, (n,) int64."""
        return (self.outputs == channel).nonzero().flatten().to(self.weight.device)

    def known(self, channel: int) -> int:
        """How many of the inputs at its own place, the first ones, an output of a channel sees."""
        return int((self.inputs < channel + (not self._strict)).sum())

    @property
    def effective(self) -> Tensor:
        """The weights that count, (outputs, inputs, 1, left + 1)."""
        return self.weight if self.mask is None else self.weight * self.mask

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return conv2d(pad(x, (self._left, 0)) if self._left else x, self.effective, self.bias)


class CausalAttention(nn.Module):
    """Masked self-attention over features of one channel: each place sees itself and those before, and adds it."""

    def __init__(self, hidden: int, heads: int) -> None:
        super().__init__()
        self.heads, self.size = heads, hidden // heads
        self.qkv = nn.Linear(hidden, 3 * heads * self.size)
        self.project = nn.Linear(heads * self.size, hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, hidden, H, W) -> the same."""
        places = x.flatten(2).transpose(1, 2)  # (B, H * W, hidden)
        qkv: Tensor = self.qkv(places)
        q, k, v = qkv.view(*places.shape[:2], 3, self.heads, self.size).permute(2, 0, 3, 1, 4)
        attended = scaled_dot_product_attention(q, k, v, is_causal=True)  # (B, heads, H * W, size)
        found: Tensor = self.project(attended.transpose(1, 2).flatten(2))
        return x + found.transpose(1, 2).reshape(x.shape)


def timing_signal(width: int, height: int, columns: int) -> Tensor:
    """Sines and cosines of row and column, at wavelengths from 2 pi to 2 pi * 10,000: (width, height, columns).

    As in Vaswani et al. (2017), a quarter of the numbers for each; what four does not divide stays zero.
    """
    count = width // 4
    rates = 10_000.0 ** -(torch.arange(count) / max(count - 1, 1))
    signal = torch.zeros(width, height, columns)
    rows = rates[:, None] * torch.arange(height)
    across = rates[:, None] * torch.arange(columns)
    for part, angles in enumerate((rows[:, :, None], across[:, None, :])):
        waves = torch.cat((angles.sin(), angles.cos()))
        signal[2 * count * part : 2 * count * (part + 1)] = waves
    return signal
