"""The Transformer's step over static memory, in few kernels."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar, cast

import torch
from torch import Generator, Tensor
from torch.nn.functional import scaled_dot_product_attention

from models.prior.transformer import Block, TransformerPrior
from models.runtime.affine import Affine, Norm, affine, norm

_AnyLayer = TypeVar("_AnyLayer", bound=tuple[Any, ...])

_ALIGNMENT = 8  # numbers: 16 bytes in half precision, in which kernels read


class _Layer(NamedTuple):
    """One block's weights, and its keys and values: (rows, places, 2, heads, head dim).

    `contract` has no bias: `_feed_forward` says where that is.
    """

    attention_norm: Norm
    qkv: Affine
    project: Affine
    feed_forward_norm: Norm
    expand: Affine
    contract: Tensor
    memory: Tensor


class StaticTransformer:
    """Steps a `TransformerPrior` as `CachedPrior` does, with weights of its own and in as few operations as it can.

    At a batch of one a step's time on a GPU is the number of its kernels. So the residual stream is updated in place by
    the products that end in it, and ReLU is part of a product. Attention is always over all places, with a mask added:
    its kernel does not depend on positions, which only the device knows.

    Args:
        prior: in evaluation mode, anywhere.
        rows: of the memory.
        dtype: of weights, memory and what is computed.

    Attributes:
        memory: (layers, rows, places, 2, heads, head dim), zeros at first; places are K, rounded up.
    """

    @torch.inference_mode()
    def __init__(self, prior: TransformerPrior, rows: int, dtype: torch.dtype, device: torch.device) -> None:
        config = prior.config
        self._split = (3, config.heads, config.width // config.heads)
        self._width = config.width
        self._places = _aligned(prior.codes)
        self.memory = torch.zeros((config.layers, rows, self._places, 2, *self._split[1:]), dtype=dtype, device=device)
        self._layers = [
            _moved(_layer(cast("Block", block), memory), dtype, device)
            for block, memory in zip(prior.blocks, self.memory, strict=True)
        ]
        self._embedding = prior.embedding.weight.to(device, dtype)
        self._norm = _moved(norm(prior.norm), dtype, device)
        self._head = _moved(affine(prior.head), dtype, device)
        later = torch.arange(self._places, device=device) > torch.arange(prior.codes, device=device)[:, None]
        # By position, what is added to the embedding, and to scores: they are looked up together.
        self._scores_at = _aligned(config.width)
        self._by_position = torch.zeros((prior.codes, self._scores_at + self._places), dtype=dtype, device=device)
        self._by_position[:, : config.width] = prior.position
        self._by_position[:, self._scores_at :].masked_fill_(later, float("-inf"))

    @property
    def weight_bytes(self) -> int:
        """See `Executor`."""
        matrices = [self._head.weight]
        for layer in self._layers:
            matrices += [layer.qkv.weight, layer.project.weight, layer.expand.weight, layer.contract]
        return sum(matrix.nbytes for matrix in matrices)

    def read(self, tokens: Tensor, positions: Tensor, rows: Tensor, *, whole: bool) -> Tensor:
        """One more position of each row, of which keys and values stay behind.

        Args:
            tokens: (B,) int64, a start token where the position is 0, else the code before.
            positions: (B,) int64, 0..K-1. The row must hold the positions before, or they are in this same batch.
            rows: (B,) int64, where keys and values go. A row may be named with several positions.
            whole: promises that row i of the batch is row i of the memory, unless it is padding and means nothing:
                then keys and values are read where they lie.

        Returns:
            (B, width), before the last norm.
        """
        by_position = self._by_position.index_select(0, positions)
        x = self._embedding.index_select(0, tokens) + by_position[:, : self._width]
        hidden = by_position[:, None, None, self._scores_at :]
        places = torch.add(positions, rows, alpha=self._places)
        for layer in self._layers:
            attended = self._attend(layer, layer.attention_norm(x), places, None if whole else rows, hidden)
            x.addmm_(attended, layer.project.weight).add_(layer.project.bias)
            _feed_forward(layer, x)
        return x

    def logits(self, x: Tensor) -> Tensor:
        """(B, width) -> (B, C)."""
        return self._head(self._norm(x))

    def scramble(self, generator: Generator) -> None:
        """Fill the memory with noise, as if every row were in the middle of a sample."""
        self.memory.copy_(torch.randn(self.memory.shape, generator=generator))

    def _attend(self, layer: _Layer, x: Tensor, places: Tensor, rows: Tensor | None, hidden: Tensor) -> Tensor:
        """(B, width) -> (B, width)."""
        qkv = layer.qkv(x).view(-1, *self._split)  # (B, 3, heads, head dim)
        layer.memory.flatten(0, 1).index_copy_(0, places, qkv[:, 1:])
        seen = layer.memory[: len(x)] if rows is None else layer.memory.index_select(0, rows)
        keys, values = seen.permute(2, 0, 3, 1, 4)  # each (B, heads, places, head dim)
        return scaled_dot_product_attention(qkv[:, 0, :, None], keys, values, attn_mask=hidden).reshape(-1, self._width)


def _aligned(numbers: int) -> int:
    return -(-numbers // _ALIGNMENT) * _ALIGNMENT


def _feed_forward(layer: _Layer, x: Tensor) -> None:
    """Add to x, in place, in three kernels: the bias of `contract` is its row for a unit that is always 1."""
    weight, bias = layer.expand.weight, layer.expand.bias
    # A product whose epilogue adds the bias and takes ReLU; PyTorch has it under no public name.
    active = torch._addmm_activation(bias, layer.feed_forward_norm(x), weight)
    x.addmm_(active, layer.contract)


def _layer(block: Block, memory: Tensor) -> _Layer:
    expand, contract = _with_constant(affine(block.expand), affine(block.contract))
    return _Layer(
        norm(block.attention_norm),
        affine(block.qkv),
        affine(block.project),
        norm(block.feed_forward_norm),
        expand,
        contract,
        memory,
    )


def _with_constant(expand: Affine, contract: Affine) -> tuple[Affine, Tensor]:
    """Eight more units, for alignment: one is 1, with the second layer's bias as its weights; the others are 0."""
    more = expand.weight.new_zeros(len(expand.weight), _ALIGNMENT)
    one = expand.bias.new_zeros(_ALIGNMENT)
    one[0] = 1
    rows = contract.weight.new_zeros(_ALIGNMENT, contract.weight.shape[1])
    rows[0] = contract.bias
    wider = Affine(torch.cat((expand.weight, more), dim=1), torch.cat((expand.bias, one)))
    return wider, torch.cat((contract.weight, rows))


def _moved(layer: _AnyLayer, dtype: torch.dtype, device: torch.device) -> _AnyLayer:
    """A layer's tensors, and those of the layers in it, as they are needed; the same ones if they are already."""
    return type(layer)(
        *(part.to(device, dtype) if isinstance(part, Tensor) else _moved(part, dtype, device) for part in layer)
    )
