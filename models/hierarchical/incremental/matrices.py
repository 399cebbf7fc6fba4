"""The weights of a gated PixelCNN as matrix products read them: (inputs, outputs), masked weights left out.

Two things are folded into them, so that a step has fewer operations:

- A sigmoid is had from the hyperbolic tangent of half its argument, so that one tangent does for a whole gate: what
  goes into a sigmoid is halved here. (PyTorch's own sigmoid also rounds differently at the end of a vector.)
- tanh(a) (1 + tanh(b / 2)) is twice the gate's output. What reads it, halves it; what remembers it, keeps it doubled.

What goes into the horizontal stack's gates is ordered by channel of the picture, and within one by tanh and sigmoid, so
that all that is needed for one symbol is one slice.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Tensor

from models.hierarchical.causal import CausalAttention, OrderedConvolution
from models.hierarchical.pixelcnn import GatedLayer, GatedPixelCNN
from models.runtime.affine import Affine, affine


class Residual(NamedTuple):
    """The residual connection of one layer, for one channel.

    Attributes:
        inner: into the units between its two products; None if there is one product only.
        last: (units up to the channel's, units of the channel).
    """

    inner: Affine | None
    last: Tensor


class Layer(NamedTuple):
    """One layer.

    Attributes:
        vertical: (rows * columns * inputs, 2 hidden), of a window in reading order.
        across: (2 hidden, 2 hidden), from the vertical stack before its gate to the horizontal one.
        centre: by channel, (units that it may know of its own place, 2 units of the channel); None if there are none.
        residual: by channel.
        attention: what follows the layer, if anything does.
    """

    vertical: Tensor
    across: Tensor
    centre: list[Tensor | None]
    residual: list[Residual]
    attention: Attention | None


class Attention(NamedTuple):
    """Masked self-attention."""

    qkv: Affine
    project: Tensor
    heads: int
    size: int


class Matrices(NamedTuple):
    """A whole network.

    Attributes:
        tables: by channel, (V, units), the symbols' embeddings.
        condition: from features to the biases of all layers: (condition, layers * 4 hidden), for each layer those of
            the vertical stack and then of the horizontal one; all other biases of the two are in its bias.
        layers: see `Layer`.
        left: of the first layer, from the places to the left: (places * inputs, 2 hidden).
        lefts: of the others: (layers - 1, places * hidden, 2 hidden).
        output, head: by channel.
        sizes: of the channels' slices of the horizontal stack's outputs.
    """

    tables: list[Tensor]
    condition: Affine
    layers: list[Layer]
    left: Tensor
    lefts: Tensor
    output: list[Affine]
    head: list[Affine]
    sizes: list[int]


def matrices(network: GatedPixelCNN) -> Matrices:
    """Of a network whose weights will not change any more."""
    layers = cast("list[GatedLayer]", list(network.layers))
    order = _by_channel(network.output.outputs)
    conditions = [_condition(layer, order) for layer in layers]
    attention = {int(name): _attention(cast("CausalAttention", each)) for name, each in network.attention.items()}
    tables = [cast("Tensor", table.weight).detach() for table in network.embeddings]
    left, *lefts = [_left(layer, order) for layer in layers]
    return Matrices(
        tables,
        Affine(torch.cat([each.weight for each in conditions], 1), torch.cat([each.bias for each in conditions])),
        [_layer(layer, order, attention.get(index)) for index, layer in enumerate(layers)],
        left,
        torch.stack(lefts) if lefts else left.new_zeros(0, 1, 1),
        _pointwise(network.output),
        _pointwise(network.head),
        [2 * table.shape[1] for table in tables],
    )


def _by_channel(units: Tensor) -> Tensor:
    """The order of a gate's 2 * hidden inputs in which each channel's are next to each other."""
    return torch.cat((units, units)).sort(stable=True).indices


def _halved(weight: Tensor) -> Tensor:
    """Outputs (2 hidden, ...) of a convolution before a gate, those for its sigmoid halved."""
    content, opening = weight.detach().chunk(2)
    return torch.cat((content, opening / 2))


def _layer(layer: GatedLayer, order: Tensor, attention: Attention | None) -> Layer:
    before = 1.0 if layer.first else 0.5  # symbols come in as they are, gated features doubled
    vertical = before * _halved(layer.vertical.weight)  # (2 hidden, inputs, rows, columns)
    content, opening = layer.across.weight.detach()[:, :, 0, 0].chunk(2, dim=1)
    across = _halved(torch.cat((content, 2 * opening), dim=1))[order]  # what it reads for the sigmoid is halved
    return Layer(
        vertical.permute(2, 3, 1, 0).flatten(0, 2).contiguous(),
        across.t().contiguous(),
        _centres(layer.horizontal),
        _residuals(layer),
        attention,
    )


def _left(layer: GatedLayer, order: Tensor) -> Tensor:
    """(places * inputs, 2 hidden), the outputs in the order by channel."""
    weight = _halved(layer.horizontal.effective)[order, :, 0, :-1]  # (2 hidden, inputs, places)
    return weight.permute(2, 1, 0).flatten(0, 1).contiguous()


def _centres(horizontal: OrderedConvolution) -> list[Tensor | None]:
    """By channel; the units that it may know come first among the inputs."""
    weight = _halved(horizontal.effective)[:, :, 0, -1]  # (2 hidden, inputs)
    found: list[Tensor | None] = []
    for channel in range(horizontal.channels):
        own = weight[horizontal.of(channel)]
        known = horizontal.known(channel)
        found.append(own[:, :known].t().contiguous() if known else None)
    return found


def _condition(layer: GatedLayer, order: Tensor) -> Affine:
    """(condition, 4 hidden): the vertical stack's biases, then the horizontal one's, in the order by channel."""
    down, right = layer.condition.weight.detach()[:, :, 0, 0].chunk(2)
    biases = [cast("Tensor", each.bias) for each in (layer.vertical, layer.horizontal)]
    weight = torch.cat((_halved(down), _halved(right)[order]))
    return Affine(weight.t().contiguous(), torch.cat((_halved(biases[0]), _halved(biases[1])[order])))


def _residuals(layer: GatedLayer) -> list[Residual]:
    """What reads the gate, which is doubled, halves it."""
    products = [_pointwise(each) for each in layer.residual if isinstance(each, OrderedConvolution)]
    if len(products) == 1:
        return [Residual(None, each.weight / 2) for each in products[0]]
    return [Residual(Affine(inner.weight / 2, inner.bias), last.weight) for inner, last in zip(*products, strict=True)]


def _pointwise(convolution: OrderedConvolution) -> list[Affine]:
    """A 1x1 convolution at one place, by channel: each from the units that it may know."""
    weight = convolution.effective.detach()[:, :, 0, 0]
    bias = weight.new_zeros(len(weight)) if convolution.bias is None else convolution.bias.detach()
    found = []
    for channel in range(convolution.channels):
        own = convolution.of(channel)
        known = convolution.known(channel)
        found.append(Affine(weight[own, :known].t().contiguous(), bias[own].contiguous()))
    return found


def _attention(attention: CausalAttention) -> Attention:
    project = attention.project.weight.detach().t().contiguous()
    return Attention(affine(attention.qkv), project, attention.heads, attention.size)
