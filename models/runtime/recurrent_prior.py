"""The LSTM as it is sampled: one position per row, from what the layers remember of the earlier ones."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn

from models.prior.lstm import LSTMPrior
from models.runtime.affine import Affine, affine


class _Layer(NamedTuple):
    """One layer's weights, and what it remembers: (2 slots, 2, width), output and cell, see `RecurrentPrior.memory`."""

    gates: Affine
    memory: Tensor


class RecurrentPrior:
    """Steps an `LSTMPrior`.

    A step costs one product, of (B, 2 width) and (2 width, 4 width), per layer, at whatever position; a slot's memory
    does not grow with K. What a position leaves does not replace what it has read, but what was left two positions ago:
    so a step can be repeated, if it ran out of memory before its code was drawn.

    Args:
        prior: in evaluation mode.
        slots: rows of the memory.

    Attributes:
        memory: (layers, slots, 2, 2, width); by slot, after even positions and after odd ones.
    """

    sequential = True

    @torch.inference_mode()
    def __init__(self, prior: LSTMPrior, slots: int) -> None:
        config = prior.config
        self.memory = torch.zeros((config.layers, slots, 2, 2, config.width), device=prior.device)
        rows = self.memory.flatten(1, 2)
        self._layers = [_Layer(_gates(prior.lstm, index), memory) for index, memory in enumerate(rows)]
        self._embedding = prior.embedding.weight
        self._head = affine(prior.head)

    @property
    def weight_bytes(self) -> int:
        """See `IncrementalPrior`."""
        return sum(each.weight.nbytes for each in (self._head, *(layer.gates for layer in self._layers)))

    def step(self, tokens: Tensor, positions: Tensor, slots: Tensor) -> Tensor:
        """See `IncrementalPrior.step`."""
        x = self._embedding.index_select(0, tokens)
        begins = (positions == 0)[:, None, None]
        before, here = 2 * slots + (positions + 1) % 2, 2 * slots + positions % 2
        for layer in self._layers:
            # What an earlier sample left in the slot is not this one's.
            output, cell = layer.memory.index_select(0, before).masked_fill_(begins, 0.0).unbind(1)
            x, cell = _cell(layer.gates(torch.cat((x, output), dim=1)), cell)
            layer.memory.index_put_((here,), torch.stack((x, cell), dim=1))
        return self._head(x)

    def scramble(self, generator: Generator) -> None:
        """See `IncrementalPrior.scramble`."""
        self.memory.copy_(torch.randn(self.memory.shape, generator=generator))


def _gates(lstm: nn.LSTM, index: int) -> Affine:
    """A layer's two products as one, (2 width, 4 width), the inputs of the three sigmoids halved for `_cell`."""
    weights = torch.cat((getattr(lstm, f"weight_ih_l{index}"), getattr(lstm, f"weight_hh_l{index}")), dim=1).detach()
    bias = (getattr(lstm, f"bias_ih_l{index}") + getattr(lstm, f"bias_hh_l{index}")).detach()
    # In PyTorch's order: input gate, forget gate, candidate, output gate.
    halves = torch.tensor((0.5, 0.5, 1.0, 0.5), device=bias.device).repeat_interleave(lstm.hidden_size)
    return Affine((weights * halves[:, None]).t().contiguous(), bias * halves)


def _cell(gates: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    """The new output and cell, each (B, width), from what goes into the gates (B, 4 width) and the cell before.

    Every sigmoid is had from the hyperbolic tangent of half its argument: PyTorch's own sigmoid rounds differently at
    the end of a vector, so that a row would depend on how many there are; its tangent does not.
    """
    enter, keep, candidate, leave = gates.tanh_().chunk(4, dim=1)
    cell = (0.5 * keep + 0.5) * cell + (0.5 * enter + 0.5) * candidate
    return (0.5 * leave + 0.5) * cell.tanh(), cell
