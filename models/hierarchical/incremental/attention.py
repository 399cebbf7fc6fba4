"""Self-attention at one place of each slot, over the keys and values of the places before."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from models.hierarchical.incremental.matrices import Attention


def attend(
    weights: Attention,
    keys: Tensor,
    x: Tensor,
    slots: Sequence[int],
    places: Sequence[int],
    index: tuple[Tensor, Tensor],
) -> Tensor:
    """Features (B, hidden) with what attention adds, each place seeing itself and those before.

    Args:
        keys: one layer's of `Memory.keys`; the places' own are written.
        x: (B, hidden).
        slots, places: of each row, on the host.
        index: the same on the device, each (B,) int64.
    """
    qkv = weights.qkv(x).view(-1, 3, weights.heads, weights.size)
    queries = qkv[:, 0, :, None]  # (B, heads, 1, size)
    keys[index[0], :, :, index[1]] = qkv[:, 1:]
    if x.device.type == "cpu":
        attended = one_by_one(queries, keys, slots, places)
    else:
        attended = together(queries, keys, index, max(places) + 1)
    return torch.addmm(x, attended.flatten(1), weights.project)


def one_by_one(queries: Tensor, keys: Tensor, slots: Sequence[int], places: Sequence[int]) -> Tensor:
    """Each slot's memory is read where it lies, no further than it is filled, and once: (B, heads, 1, size)."""
    found = {
        slot: scaled_dot_product_attention(queries[row, None], *keys[slot, :, None, :, : places[row] + 1])
        for slot, row in {slot: row for row, slot in enumerate(slots)}.items()
    }
    return torch.cat([found[slot] for slot in slots])


def together(queries: Tensor, keys: Tensor, index: tuple[Tensor, Tensor], filled: int) -> Tensor:
    """The same in a few operations, what lies past each slot's place masked; none is at place `filled` or later."""
    visible = torch.arange(filled, device=queries.device) <= index[1][:, None]
    of_keys, values = keys[:, :, :, :filled].index_select(0, index[0]).unbind(1)
    return scaled_dot_product_attention(queries, of_keys, values, attn_mask=visible[:, None, None])
