"""Decoders that ask the device nothing, so that a graph can hold them."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import torch
from torch import Tensor, nn

from models.autoencoder import OrderedVQVAE
from models.build import Autoencoder
from models.networks import UpsampledConvolution
from models.residual import ResidualAutoencoder
from models.runtime.graphs.ranges import decoder_dtype

# Codes (B, K) int64 and lengths (B,) int64 to (B, *media shape) float32, clamped to the range of the media.
Decode = Callable[[Tensor, Tensor], Tensor]


@torch.inference_mode()
def static_decoder(autoencoder: Autoencoder, device: torch.device, *, exact: bool) -> Decode:
    """An autoencoder's `decode_codes` on a device, with weights of its own.

    A convolutional one computes in float16 where it can (`ranges`) and need not be exact, with channels innermost. The
    residual one is many small products one after another: that would save it nothing, and it stays in float32.
    """
    if isinstance(autoencoder, ResidualAutoencoder):
        return _residual(deepcopy(autoencoder).to(device))
    copied = deepcopy(autoencoder)
    copied.encoder = nn.Sequential()
    for index, layer in enumerate(copied.decoder):
        if isinstance(layer, UpsampledConvolution):
            copied.decoder[index] = layer.transposed()
    copied.to(device, torch.float32 if exact else decoder_dtype(autoencoder))
    for parameter in copied.decoder.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.contiguous(memory_format=torch.channels_last)
    return _convolutional(copied)


def _convolutional(autoencoder: OrderedVQVAE) -> Decode:
    def decode(codes: Tensor, lengths: Tensor) -> Tensor:
        return autoencoder.decode_codes(codes, lengths).float().contiguous()

    return decode


def _residual(autoencoder: ResidualAutoencoder) -> Decode:
    def decode(codes: Tensor, lengths: Tensor) -> Tensor:
        vectors = autoencoder.quantiser.lookup(codes)
        sample = autoencoder.decode_vectors(vectors, lengths, (0, autoencoder.config.codes))
        return sample.clamp(*autoencoder.media.range)

    return decode
