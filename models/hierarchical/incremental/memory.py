"""What slots remember of the places before, in buffers that are allocated once.

Beside their edges, rows have places of zeros, as convolutions have around a picture; nobody writes there.
"""

from __future__ import annotations

import torch
from torch import Tensor

from models.hierarchical.config import GatedPixelCNNConfig
from models.hierarchical.pixelcnn import GatedPixelCNN


class Memory:
    """Of one network.

    Args:
        network: whose memory it is.
        height, width: of the grid.
        slots: how many.
        spatial: whether features differ from place to place, as a level's do, and not a label's.

    Attributes:
        features: (slots, height or 1, width or 1, condition).
        embedded: (slots, reach + width, inputs): symbols of the present row, behind `reach` places of zeros; before it
            begins, those of the row before.
        above: by layer, what goes into its vertical convolution: (slots, rows, width + 2 * reach, inputs), of which row
            r lies at r modulo `rows`, as many as the filter has.
        beside: (layers, slots, width, 2 * hidden): what the horizontal stack's gates are given in the present row from
            above, biases included.
        horizontal: (layers - 1, slots, reach + width, hidden): what all but the last layer have found in the present
            row.
        keys: (attention layers, slots, 2, heads, places, size), with the values.
    """

    def __init__(self, network: GatedPixelCNN, height: int, width: int, slots: int, *, spatial: bool) -> None:
        config, like = network.config, network.head.weight
        self.reach, self.height, self.width = config.filter // 2, height, width
        self.rows = self.reach + 1
        hidden, inputs = config.hidden, network.inputs

        def zeros(*shape: int) -> Tensor:
            return torch.zeros(shape, dtype=like.dtype, device=like.device)

        self.features = zeros(slots, height if spatial else 1, width if spatial else 1, network.condition)
        self.embedded = zeros(slots, self.reach + width, inputs)
        wide = width + 2 * self.reach
        self.above = [zeros(slots, self.rows, wide, hidden if layer else inputs) for layer in range(config.layers)]
        self.beside = zeros(config.layers, slots, width, 2 * hidden)
        self.horizontal = zeros(config.layers - 1, slots, self.reach + width, hidden)
        self.keys = zeros(*_keys_shape(config, slots, height * width))

    def begin(self, slot: int, features: Tensor) -> None:
        """Forget what the slot held, and condition it on features (condition, height or 1, width or 1)."""
        self.features[slot] = features.movedim(0, -1)
        self.embedded[slot] = 0
        for layer in self.above:
            layer[slot] = 0


def _keys_shape(config: GatedPixelCNNConfig, slots: int, places: int) -> tuple[int, ...]:
    return config.attention, slots, 2, config.heads, places, config.hidden // config.heads
