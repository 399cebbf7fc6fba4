"""The horizontal stack at one place: channel after channel, and for each of them layer after layer."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from models.hierarchical.incremental.matrices import Attention, Layer, Matrices

Attend = Callable[[int, Attention, Tensor], Tensor]


class Place:
    """What the layers know of one place of B slots, which grows from channel to channel.

    Args:
        weights: of the network.
        before: by channel and layer, (B, 2 units of the channel): what its gates are given by earlier places.
        attend: attention after the layer of an index, of features (B, hidden).

    Attributes:
        found: by layer, (B, units known so far), the horizontal stack's output.
    """

    def __init__(self, weights: Matrices, before: list[list[Tensor]], attend: Attend) -> None:
        self._weights = weights
        self._before = before
        self._attend = attend
        layers = len(weights.layers)
        self.found: list[Tensor] = []
        self._gates: list[Tensor | None] = [None] * layers
        self._inner: list[Tensor | None] = [None] * layers
        self._output: Tensor | None = None

    def logits(self, channel: int, embedded: Tensor | None) -> Tensor:
        """Of the next channel's symbols, (B, V).

        Args:
            channel: 0, 1, .. in turn.
            embedded: (B, inputs that the channel may know); None if there are none.
        """
        known, part, found = embedded, None, []
        for index, layer in enumerate(self._weights.layers):
            part = self._layer(index, layer, channel, known, part)
            if layer.attention is not None:
                part = self._attend(index, layer.attention, part)
            known = _joined(self.found[index] if self.found else None, part)
            found.append(known)
        self.found = found
        self._output = _joined(self._output, self._weights.output[channel](found[-1].relu()).relu_())
        return self._weights.head[channel](self._output)

    def _layer(self, index: int, layer: Layer, channel: int, known: Tensor | None, part: Tensor | None) -> Tensor:
        """The channel's units after a layer, (B, units), from all that may be known before it and its units there."""
        gates, centre = self._before[channel][index], layer.centre[channel]
        if centre is not None:
            assert known is not None  # noqa: S101 - the matrix is for something
            gates = torch.addmm(gates, known, centre)
        content, opening = gates.tanh().chunk(2, dim=1)
        through = self._gates[index] = _joined(self._gates[index], torch.addcmul(content, content, opening))
        residual = layer.residual[channel]
        if residual.inner is not None:
            through = self._inner[index] = _joined(self._inner[index], residual.inner(through).relu_())
        # The first layer's input has the symbol itself in it, so nothing is added to it.
        return through @ residual.last if part is None else torch.addmm(part, through, residual.last)


def _joined(known: Tensor | None, new: Tensor) -> Tensor:
    return new if known is None else torch.cat((known, new), dim=1)
