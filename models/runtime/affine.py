"""A linear layer without the way through a module."""

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


def affine(linear: nn.Linear) -> Affine:
    """A layer's weights as a step uses them."""
    return Affine(linear.weight.detach().t().contiguous(), linear.bias.detach())
