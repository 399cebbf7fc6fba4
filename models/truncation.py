"""Which prefix of the codes a training example keeps (nested dropout)."""

from __future__ import annotations

import torch
from torch import Tensor


def sample_lengths(batch: int, codes: int, generator: torch.Generator) -> Tensor:
    """Draw one truncation index per example, uniform on 1..K, both ends included (Eq. (6)).

    Returns:
        (B,) int64.
    """
    return torch.randint(1, codes + 1, (batch,), generator=generator)


def prefix_mask(lengths: Tensor, codes: int) -> Tensor:
    """True where a code is kept.

    Args:
        lengths: (B,) int64, each 0..K.
        codes: K.

    Returns:
        (B, K) bool.
    """
    return torch.arange(codes, device=lengths.device) < lengths[:, None]
