"""The prior as it is sampled: one position per row, over keys and values that earlier positions left behind."""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from models.prior import Block, TransformerPrior


class _Affine(NamedTuple):
    """x -> x @ weight + bias, the weight (inputs, outputs) as a matrix product reads it."""

    weight: Tensor
    bias: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        return torch.addmm(self.bias, x, self.weight)


class _Norm(NamedTuple):
    """Layer norm over the last dimension."""

    weight: Tensor
    bias: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        return torch.layer_norm(x, self.weight.shape, self.weight, self.bias)


class _Layer(NamedTuple):
    """One block's weights, and its keys and values: (slots, K, 2, heads, head dim)."""

    attention_norm: _Norm
    qkv: _Affine
    project: _Affine
    feed_forward_norm: _Norm
    expand: _Affine
    contract: _Affine
    memory: Tensor


class CachedPrior:
    """Steps a `TransformerPrior`, with the same result as its full pass, over a preallocated cache.

    At a batch of one most of a step's time goes not into arithmetic but into reaching it. So weights are bound once, in
    the layout in which they are used, and nothing goes through a module.

    Args:
        prior: in evaluation mode.
        slots: rows of the cache.

    Attributes:
        memory: (layers, slots, K, 2, heads, head dim), keys and values; what one position adds lies in one piece.
    """

    @torch.inference_mode()
    def __init__(self, prior: TransformerPrior, slots: int) -> None:
        config, device = prior.config, prior.position.device
        self._split = (3, config.heads, config.width // config.heads)
        self._width = config.width
        self.memory = torch.zeros((config.layers, slots, prior.codes, 2, *self._split[1:]), device=device)
        self._layers = [
            _layer(cast("Block", block), memory) for block, memory in zip(prior.blocks, self.memory, strict=True)
        ]
        self._embedding = prior.embedding.weight
        self._position = prior.position
        self._norm, self._head = _norm(prior.norm), _affine(prior.head)
        # Attention always runs over all K places: cut at the longest row, a row's rounding would depend on the others.
        places = torch.arange(prior.codes, device=device)
        self._visible = (places <= places[:, None])[:, None, None]  # (K, 1, 1, K)

    @property
    def weight_bytes(self) -> int:
        """What a step reads of the matrices."""
        used = [self._head, *(each for layer in self._layers for each in layer if isinstance(each, _Affine))]
        return sum(each.weight.nbytes for each in used)

    def step(self, tokens: Tensor, positions: Tensor, slots: Tensor) -> Tensor:
        """Logits for one more position of each row; its keys and values go into the row's slot.

        Args:
            tokens: (B,) int64, a start token where the position is 0, else the code drawn last.
            positions: (B,) int64, 0..K-1. The slot must hold the positions before; what lies past it is not looked at.
            slots: (B,) int64; a slot named twice keeps either row's keys and values.

        Returns:
            (B, C).
        """
        x = self._embedding.index_select(0, tokens) + self._position.index_select(0, positions)
        visible = self._visible.index_select(0, positions)
        for layer in self._layers:
            x = x + layer.project(self._attend(layer, layer.attention_norm(x), positions, slots, visible))
            x = x + layer.contract(layer.expand(layer.feed_forward_norm(x)).relu_())
        return self._head(self._norm(x))

    def _attend(self, layer: _Layer, x: Tensor, positions: Tensor, slots: Tensor, visible: Tensor) -> Tensor:
        """(B, width) -> (B, width)."""
        qkv = layer.qkv(x).view(-1, *self._split)  # (B, 3, heads, head dim)
        layer.memory.index_put_((slots, positions), qkv[:, 1:])
        keys, values = layer.memory.index_select(0, slots).permute(2, 0, 3, 1, 4)  # each (B, heads, K, head dim)
        attended = scaled_dot_product_attention(qkv[:, 0, :, None], keys, values, attn_mask=visible)
        return attended.view(-1, self._width)


def _layer(block: Block, memory: Tensor) -> _Layer:
    return _Layer(
        _norm(block.attention_norm),
        _affine(block.qkv),
        _affine(block.project),
        _norm(block.feed_forward_norm),
        _affine(block.expand),
        _affine(block.contract),
        memory,
    )


def _affine(linear: nn.Linear) -> _Affine:
    return _Affine(linear.weight.detach().t().contiguous(), linear.bias.detach())


def _norm(norm: nn.LayerNorm) -> _Norm:
    return _Norm(norm.weight.detach(), norm.bias.detach())
