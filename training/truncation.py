"""How many codes an example keeps while they are being ordered: the distribution behind Eq. (6)."""

from __future__ import annotations

import torch
from torch import Tensor

from training.options import Truncation


def length_shares(truncation: Truncation, codes: int) -> Tensor:
    """The probability of each index 1 .. K, (K,) float64; at least the full length is always among them."""
    lengths = torch.arange(1, codes + 1)
    possible = (lengths >= min(truncation.shortest, codes)).double()
    match truncation.law:
        case "uniform":
            return _normalised(possible)
        case "geometric":
            return _normalised(possible * (1 - (truncation.rate or 0.0)) ** lengths.double())
        case "mixed":
            powers = possible * (lengths & (lengths - 1) == 0)
            powers[-1] = 1
            return (_normalised(possible) + _normalised(powers) + (lengths == codes)) / 3


def _normalised(shares: Tensor) -> Tensor:
    return shares / shares.sum()
