"""Layers without the way through a module."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn


class Affine(NamedTuple):
    """x -> x @ weight + bias, the weight (inputs, outputs) as a matrix product reads it."""

    weight: Tensor
    bias: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """(B, inputs) -> (B, outputs)."""
        return torch.addmm(self.bias, x, self.weight)


class Norm(NamedTuple):
    """Layer norm over the last dimension."""

    weight: Tensor
    bias: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """(B, width) -> (B, width)."""
        return torch.layer_norm(x, self.weight.shape, self.weight, self.bias)


def affine(linear: nn.Linear) -> Affine:
    """A layer's weights as a step uses them."""
    return Affine(linear.weight.detach().t().contiguous(), linear.bias.detach())


def norm(layer: nn.LayerNorm) -> Norm:
    """The same of layer norm."""
    return Norm(layer.weight.detach(), layer.bias.detach())
