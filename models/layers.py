"""The layers of a convolutional decoder, for whatever computes them; imports no torch."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from models.config import AutoencoderConfig, Media


def padding(size: int, stride: int) -> int:
    """Padding with which a convolution divides a length by exactly its stride."""
    return (size - stride + 1) // 2


class DecoderLayer(NamedTuple):
    """A transposed convolution, or an upsampling followed by a convolution, which is one of a wider filter.

    Attributes:
        inputs, outputs: channels.
        size: of the filter, along each axis.
        stride: by which the layer makes its input longer.
        upsamples: whether the input is repeated `stride` times and then convolved.
    """

    inputs: int
    outputs: int
    size: int
    stride: int
    upsamples: bool

    @property
    def merged(self) -> int:
        """Size of the transposed convolution's filter."""
        return self.size + self.stride - 1 if self.upsamples else self.size

    @property
    def padding(self) -> int:
        """Of the transposed convolution."""
        return padding(self.merged, self.stride)

    @property
    def output_padding(self) -> int:
        """An odd difference pads one number too many on the way in, which this gives back."""
        return 2 * self.padding - (self.merged - self.stride)


def decoder_layers(config: AutoencoderConfig, media: Media) -> list[DecoderLayer]:
    """From codes to media, by `config.decoder`: the encoder's counterpart, layer by layer in reverse, or, as appendix
    E.1 has for audio, one layer for each stride above 1, and so 4 for the paper's VCTK.
    """
    if config.decoder == "mirror":
        channels = (config.channels, *reversed(config.widths), media.shape[0])
        sizes = zip(pairwise(channels), reversed(config.filters), reversed(config.strides), strict=True)
        return [
            DecoderLayer(inputs, outputs, size, stride, upsamples=False) for (inputs, outputs), size, stride in sizes
        ]
    layers: list[DecoderLayer] = []
    for outputs, size, stride in reversed(
        list(zip((media.shape[0], *config.widths), config.filters, config.strides, strict=True))
    ):
        if stride > 1:
            inputs = layers[-1].outputs if layers else config.channels
            layers.append(DecoderLayer(inputs, outputs, size, stride, upsamples=True))
    return layers
