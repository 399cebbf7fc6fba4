"""Which prefix of the codes a training example keeps (nested dropout)."""

from __future__ import annotations

import torch
from torch import Tensor


def sample_lengths(batch: int, shares: Tensor, generator: torch.Generator) -> Tensor:
    """Draw one truncation index per example (Eq. (6)), each by itself.

    Args:
        shares: (K,) how probable each of 1 .. K is; need not add up to 1.

    Returns:
        (B,) int64, each 1..K.
    """
    return torch.multinomial(shares, batch, replacement=True, generator=generator) + 1


def prefix_mask(lengths: Tensor, codes: int) -> Tensor:
    """True where a code is kept.

    Args:
        lengths: (B,) int64, each 0..K.
        codes: K.

    Returns:
        (B, K) bool.
    """
    return torch.arange(codes, device=lengths.device) < lengths[:, None]
