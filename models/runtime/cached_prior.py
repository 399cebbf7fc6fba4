"""The Transformer as it is sampled: one position per row, over keys and values that earlier positions left behind."""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Generator, Tensor
from torch.nn.functional import scaled_dot_product_attention

from models.prior.transformer import Block, TransformerPrior
from models.runtime.affine import Affine, Norm, affine, norm


class _Layer(NamedTuple):
    """One block's weights, and its keys and values: (slots, K, 2, heads, head dim)."""

    attention_norm: Norm
    qkv: Affine
    project: Affine
    feed_forward_norm: Norm
    expand: Affine
    contract: Affine
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

    # A layer writes the keys and values of all rows before it attends, and each row sees only positions up to its own.
    sequential = False

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
        self._norm, self._head = norm(prior.norm), affine(prior.head)
        # Attention always runs over all K places: cut at the longest row, a row's rounding would depend on the others.
        places = torch.arange(prior.codes, device=device)
        self._visible = (places <= places[:, None])[:, None, None]  # (K, 1, 1, K)

    @property
    def weight_bytes(self) -> int:
        """See `IncrementalPrior`."""
        used = [self._head, *(each for layer in self._layers for each in layer if isinstance(each, Affine))]
        return sum(each.weight.nbytes for each in used)

    def step(self, tokens: Tensor, positions: Tensor, slots: Tensor) -> Tensor:
        """See `IncrementalPrior.step`."""
        x = self._embedding.index_select(0, tokens) + self._position.index_select(0, positions)
        visible = self._visible.index_select(0, positions)
        for layer in self._layers:
            x = x + layer.project(self._attend(layer, layer.attention_norm(x), positions, slots, visible))
            x = x + layer.contract(layer.expand(layer.feed_forward_norm(x)).relu_())
        return self._head(self._norm(x))

    def scramble(self, generator: Generator) -> None:
        """See `IncrementalPrior.scramble`."""
        self.memory.copy_(torch.randn(self.memory.shape, generator=generator))

    def _attend(self, layer: _Layer, x: Tensor, positions: Tensor, slots: Tensor, visible: Tensor) -> Tensor:
        """(B, width) -> (B, width)."""
        qkv = layer.qkv(x).view(-1, *self._split)  # (B, 3, heads, head dim)
        layer.memory.index_put_((slots, positions), qkv[:, 1:])
        keys, values = layer.memory.index_select(0, slots).permute(2, 0, 3, 1, 4)  # each (B, heads, K, head dim)
        attended = scaled_dot_product_attention(qkv[:, 0, :, None], keys, values, attn_mask=visible)
        return attended.view(-1, self._width)


def _layer(block: Block, memory: Tensor) -> _Layer:
    return _Layer(
        norm(block.attention_norm),
        affine(block.qkv),
        affine(block.project),
        norm(block.feed_forward_norm),
        affine(block.expand),
        affine(block.contract),
        memory,
    )
