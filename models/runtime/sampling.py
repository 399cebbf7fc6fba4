"""Draw codes from logits: temperature, top-k, top-p."""

from __future__ import annotations

import torch
from torch import Tensor


def draw(
    logits: Tensor, uniforms: Tensor, temperature: Tensor, top_k: Tensor, top_p: Tensor, *, restricted: bool = True
) -> Tensor:
    """Draw one code per row by inverting the cumulative distribution at the row's uniform number.

    Codes stay in index order and are only ever zeroed, never sorted: a tie between two cannot swap their shares.

    Args:
        logits: (B, C), of any precision; the arithmetic is float64.
        uniforms: (B,) float64 in [0, 1).
        temperature: (B,) float64, positive.
        top_k: (B,) whole numbers from 1; C or more keeps all.
        top_p: (B,) in (0, 1].
        restricted: False promises that every top_k is C or more and every top_p is 1, which saves looking at them.

    Returns:
        (B,) int64.
    """
    probabilities = torch.softmax(logits / temperature[:, None], dim=-1)
    if restricted:
        probabilities = _restrict(probabilities, top_k, top_p)
    cumulative = probabilities.cumsum(-1)
    targets = uniforms * cumulative[:, -1]
    return torch.searchsorted(cumulative, targets[:, None], right=True).squeeze(1)


def _restrict(probabilities: Tensor, top_k: Tensor, top_p: Tensor) -> Tensor:
    """Zero all but the k most likely, then all but the most likely whose share of what is left reaches p."""
    ranked = probabilities.sort(dim=-1, descending=True).values
    ranks = torch.arange(probabilities.shape[1], device=probabilities.device)
    among = ranks < top_k[:, None]
    kept = ranked * among
    before = kept.cumsum(-1) - kept
    inside = (before < top_p[:, None] * kept.sum(-1, keepdim=True)) & among
    floor = ranked.gather(1, inside.sum(-1, keepdim=True) - 1)
    return probabilities * (probabilities >= floor)
