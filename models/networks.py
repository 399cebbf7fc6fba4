"""Convolutional encoder and decoder for images (2-D) and audio (1-D), from one description."""

from __future__ import annotations

from itertools import pairwise

from torch import nn

from models.config import AutoencoderConfig, Media

CONVOLUTION: dict[int, type[nn.Conv1d] | type[nn.Conv2d]] = {1: nn.Conv1d, 2: nn.Conv2d}
TRANSPOSED: dict[int, type[nn.ConvTranspose1d] | type[nn.ConvTranspose2d]] = {
    1: nn.ConvTranspose1d,
    2: nn.ConvTranspose2d,
}


def _padding(size: int, stride: int) -> int:
    """Padding with which a convolution divides a length by exactly its stride."""
    return (size - stride + 1) // 2


def build_encoder(config: AutoencoderConfig, media: Media) -> nn.Sequential:
    """(B, *media shape) -> (B, channels, *grid): appendix E.1's stack of strided convolutions."""
    rank = len(media.shape) - 1
    channels = (media.shape[0], *config.widths, config.channels)
    layers: list[nn.Module] = []
    for (inputs, outputs), size, stride in zip(pairwise(channels), config.filters, config.strides, strict=True):
        layers += [
            CONVOLUTION[rank](inputs, outputs, size, stride, _padding(size, stride)),
            nn.LeakyReLU(config.leak),
        ]
    return nn.Sequential(*layers[:-1])


def build_decoder(config: AutoencoderConfig, media: Media) -> nn.Sequential:
    """(B, channels, *grid) -> (B, *media shape): the encoder's counterpart, layer by layer in reverse."""
    rank = len(media.shape) - 1
    channels = (config.channels, *reversed(config.widths), media.shape[0])
    layers: list[nn.Module] = []
    for (inputs, outputs), size, stride in zip(
        pairwise(channels), reversed(config.filters), reversed(config.strides), strict=True
    ):
        padding = _padding(size, stride)
        # An odd difference pads one number too many on the way in, which output_padding gives back.
        layers += [
            TRANSPOSED[rank](inputs, outputs, size, stride, padding, output_padding=2 * padding - (size - stride)),
            nn.LeakyReLU(config.leak),
        ]
    return nn.Sequential(*layers[:-1])
