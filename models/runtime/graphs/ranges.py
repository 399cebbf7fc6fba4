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
    """Float16 if nothing in a step can leave its range, else bfloat16: a step reads as little of it."""
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
    return torch.float16 if _fits(bounds, prior) else torch.bfloat16


@torch.inference_mode()
def decoder_dtype(autoencoder: OrderedVQVAE) -> torch.dtype:
    """Float16 if nothing in a convolutional decoder can leave its range, else float32: bfloat16 would show in a sample.

    The last layer may leave it, since what comes of it is clamped to the media's range.
    """
    largest = torch.maximum(autoencoder.quantiser.codebook.abs().amax(), autoencoder.missing.abs().amax())
    bound = largest.repeat(autoencoder.config.channels)  # by channel
    bounds = [bound]
    layers = [layer for layer in autoencoder.decoder if not isinstance(layer, nn.LeakyReLU)]
    for layer, _ in pairwise(layers):
        weight = layer.merged() if isinstance(layer, UpsampledConvolution) else cast("Tensor", layer.weight)
        # (inputs, outputs, *filter), and then a LeakyReLU, which makes nothing larger
        bound = bound @ weight.abs().flatten(2).sum(2) + cast("Tensor", layer.bias).abs()
        bounds.append(bound)
    return torch.float16 if _fits(bounds, autoencoder) else torch.float32


def _largest(rows: Tensor) -> Tensor:
    """(N, width) -> (width,)."""
    largest: Tensor = rows.abs().amax(0)
    return largest


def _after_norm(norm: nn.LayerNorm, linear: nn.Linear) -> Tensor:
    """Bounds (outputs,) of a linear layer on what is normalised, which is no longer than the root of its width."""
    weight = linear.weight * norm.weight
    constant: Tensor = linear.weight @ norm.bias + linear.bias
    return weight.square().sum(1).sqrt() * math.sqrt(len(norm.weight)) + constant.abs()


def _fits(bounds: list[Tensor], module: nn.Module) -> bool:
    computed = all(bool((bound < _LIMIT).all()) for bound in bounds)  # what is no number is below nothing
    return computed and all(bool((parameter.abs() <= _MAX).all()) for parameter in module.parameters())
