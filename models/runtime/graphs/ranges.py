"""Whether half precision can hold whatever a network may compute.

Float16 has eleven bits and ends at 65,504; bfloat16 has eight and ends where float32 does. The weights of a bundle are
float16: in that nothing of them is lost, and what is computed is eight times as near. That it cannot leave the range
follows from the weights, for normalisation bounds what goes into each layer, whatever the input.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from models.autoencoder import OrderedVQVAE
from models.networks import UpsampledConvolution
from models.prior.transformer import Block, TransformerPrior

_MAX = torch.finfo(torch.float16).max
_LIMIT = _MAX / 4  # bounds are of exact arithmetic, and what is rounded strays from it by far less than that


@torch.inference_mode()
def prior_dtype(prior: TransformerPrior) -> torch.dtype:
    """Float16 if nothing in a step can leave its range, else bfloat16."""
    stream = _largest(prior.embedding.weight) + _largest(prior.position)  # bounds x, number by number
    bounds = [stream]
    for block in (cast("Block", each) for each in prior.blocks):
        inner = _after_norm(block.attention_norm, block.qkv)
        values = inner[-prior.config.width :]  # what is attended to is a mean of values
        attended = stream + block.project.weight.abs() @ values + block.project.bias.abs()
        hidden = _after_norm(block.feed_forward_norm, block.expand)
        stream = attended + block.contract.weight.abs() @ hidden + block.contract.bias.abs()
        bounds += [inner, attended, hidden, stream]
    bounds.append(_after_norm(prior.norm, prior.head))
    return _narrowest(bounds, prior)


@torch.inference_mode()
def decoder_dtype(autoencoder: OrderedVQVAE) -> torch.dtype:
    """The same of a convolutional decoder, but for its last layer, whose result is clamped to the media's range."""
    bound = torch.maximum(autoencoder.quantiser.codebook.abs().amax(), autoencoder.missing.abs().amax())
    bounds = [bound]
    layers = [layer for layer in autoencoder.decoder if not isinstance(layer, nn.LeakyReLU)]
    for layer, _ in pairwise(layers):
        weight = layer.merged() if isinstance(layer, UpsampledConvolution) else cast("Tensor", layer.weight)
        outputs = weight.abs().transpose(0, 1).flatten(1).sum(1)  # (inputs, outputs, *filter) -> (outputs,)
        bound = (outputs * bound + cast("Tensor", layer.bias).abs()).amax()
        bounds.append(bound)
    return _narrowest(bounds, autoencoder)


def _largest(rows: Tensor) -> Tensor:
    """(N, width) -> (width,)."""
    largest: Tensor = rows.abs().amax(0)
    return largest


def _after_norm(norm: nn.LayerNorm, linear: nn.Linear) -> Tensor:
    """Bounds (outputs,) of a linear layer on what is normalised, which is no longer than the root of its width."""
    weight = linear.weight * norm.weight
    constant: Tensor = linear.weight @ norm.bias + linear.bias
    return weight.square().sum(1).sqrt() * math.sqrt(len(norm.weight)) + constant.abs()


def _narrowest(bounds: list[Tensor], module: nn.Module) -> torch.dtype:
    fits = all(bool((bound < _LIMIT).all()) for bound in bounds)  # a bound that is no number is below nothing
    weights = all(bool((parameter.abs() <= _MAX).all()) for parameter in module.parameters())
    return torch.float16 if fits and weights else torch.bfloat16
