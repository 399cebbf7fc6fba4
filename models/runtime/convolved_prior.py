"""The PixelCNN as it is sampled: one place per row, over what the convolutions saw at earlier ones."""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Generator, Tensor, nn

from models.prior.pixelcnn import MaskedConvolution, PixelCNNPrior, ResidualBlock
from models.runtime.affine import Affine, affine


class _Block(NamedTuple):
    """One block's weights, and what its convolution has seen: (slots, 1 + K, width / 2), of place i at i + 1."""

    reduce: Affine
    convolve: Affine
    expand: Affine
    memory: Tensor


class ConvolvedPrior:
    """Steps a `PixelCNNPrior`.

    A step computes one place and no other: what a masked convolution sees of earlier places is remembered, so that it
    is one product over the places in its reach. A step therefore costs what a single place costs in the full pass.

    In the memory a row's first entry, all zeros, stands for the places outside the square.

    Args:
        prior: in evaluation mode.
        slots: rows of the memory.

    Attributes:
        tokens: (slots, K) int64, what has come in at each position: a start token, then the codes.
        memory: (layers, slots, 1 + K, width / 2).
    """

    # A block writes the places of all rows before it looks around, and each row sees only places up to its own.
    sequential = False

    @torch.inference_mode()
    def __init__(self, prior: PixelCNNPrior, slots: int) -> None:
        config, device = prior.config, prior.device
        self._codebook, self._null_label = prior.codebook, prior.null_label
        self.tokens = torch.full((slots, prior.codes), prior.vocabulary.start_token(None), device=device)
        self.memory = torch.zeros((config.layers, slots, 1 + prior.codes, config.width // 2), device=device)
        # A start token is at no place of the square.
        outside = torch.zeros((prior.null_label + 1, config.width), device=device)
        self._embedding = torch.cat((prior.embedding.weight, outside))
        self._first = _taps(prior.first)
        blocks = [cast("ResidualBlock", block) for block in prior.blocks]
        self._blocks = [_block(block, memory) for block, memory in zip(blocks, self.memory, strict=True)]
        self._shifts = torch.stack([block.shift.weight for block in blocks], dim=1)  # (labels + 1, layers, width / 2)
        self._hidden, self._head = affine(prior.hidden), affine(prior.head)
        self._near = _near(prior.codes, prior.edge, config.filter).to(device)  # (K, taps)

    @property
    def weight_bytes(self) -> int:
        """See `IncrementalPrior`."""
        used = [self._first, *(each for block in self._blocks for each in block[:3]), self._hidden, self._head]
        return sum(each.weight.nbytes for each in used)

    def step(self, tokens: Tensor, positions: Tensor, slots: Tensor) -> Tensor:
        """See `IncrementalPrior.step`."""
        self.tokens.index_put_((slots, positions), tokens)
        seen = self.tokens.index_select(0, slots)
        labels = (seen[:, 0] - self._codebook).clamp_(min=0)  # a padding row may begin with a code, and have any label
        shifts = self._shifts.index_select(0, labels).unbind(1)
        near = self._near.index_select(0, positions)
        codes = seen.gather(1, near[:, :-1])  # all but the place itself
        x = self._first(self._embedding.index_select(0, codes.flatten()).view(len(tokens), -1))
        reach = (near + slots[:, None] * self.memory.shape[2]).flatten()
        for block, shift in zip(self._blocks, shifts, strict=True):
            block.memory.index_put_((slots, positions + 1), block.reduce(x.relu()).relu_())
            around = block.memory.flatten(0, 1).index_select(0, reach).view(len(tokens), -1)
            x = x + block.expand((block.convolve(around) + shift).relu_())
        return self._head(self._hidden(x.relu_()).relu_())

    def scramble(self, generator: Generator) -> None:
        """See `IncrementalPrior.scramble`."""
        slots, codes = self.tokens.shape
        self.tokens.copy_(torch.randint(self._codebook, (slots, codes), generator=generator))
        self.tokens[:, 0] = self._codebook + torch.randint(self._null_label + 1, (slots,), generator=generator)
        places = self.memory[:, :, 1:]
        places.copy_(torch.randn(places.shape, generator=generator))


def _near(codes: int, edge: int, filter: int) -> Tensor:  # noqa: A002
    """(K, taps): where in a row of the memory the places lie that a filter reaches from each, itself last."""
    reach = filter // 2
    steps = torch.arange(filter**2 // 2 + 1)  # through the filter in reading order, up to its centre
    rows, columns = steps // filter - reach, steps % filter - reach
    place = torch.arange(codes)[:, None]
    row, column = place // edge + rows, place % edge + columns
    return torch.where((row >= 0) & (column >= 0) & (column < edge), row * edge + column + 1, 0)


def _taps(convolution: MaskedConvolution) -> Affine:
    """A masked convolution at one place: (taps * inputs, outputs), of the weights that count only."""
    weight = convolution.weight.flatten(2)[:, :, convolution.mask.flatten() > 0]  # (outputs, inputs, taps)
    return Affine(weight.permute(2, 1, 0).flatten(0, 1).contiguous(), cast("Tensor", convolution.bias).detach())


def _block(block: ResidualBlock, memory: Tensor) -> _Block:
    return _Block(_pointwise(block.reduce), _taps(block.convolve), _pointwise(block.expand), memory)


def _pointwise(convolution: nn.Conv2d) -> Affine:
    """A convolution with a filter of 1 at one place."""
    weight = convolution.weight.detach()[:, :, 0, 0]
    return Affine(weight.t().contiguous(), cast("Tensor", convolution.bias).detach())
