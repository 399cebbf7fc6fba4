"""Convolutional encoder and decoder for images (2-D) and audio (1-D), from one description."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from models.config import AutoencoderConfig, Media
from models.layers import DecoderLayer, decoder_layers, padding

CONVOLUTION: dict[int, type[nn.Conv1d] | type[nn.Conv2d]] = {1: nn.Conv1d, 2: nn.Conv2d}
TRANSPOSED: dict[int, type[nn.ConvTranspose1d] | type[nn.ConvTranspose2d]] = {
    1: nn.ConvTranspose1d,
    2: nn.ConvTranspose2d,
}


def build_encoder(config: AutoencoderConfig, media: Media) -> nn.Sequential:
    """(B, *media shape) -> (B, channels, *grid): appendix E.1's stack of strided convolutions."""
    rank = len(media.shape) - 1
    channels = (media.shape[0], *config.widths, config.channels)
    layers: list[nn.Module] = []
    for (inputs, outputs), size, stride in zip(pairwise(channels), config.filters, config.strides, strict=True):
        layers += [
            CONVOLUTION[rank](inputs, outputs, size, stride, padding(size, stride)),
            nn.LeakyReLU(config.leak),
        ]
    return nn.Sequential(*layers[:-1])


def build_decoder(config: AutoencoderConfig, media: Media) -> nn.Sequential:
    """(B, channels, *grid) -> (B, *media shape), by `config.decoder`."""
    rank = len(media.shape) - 1
    layers: list[nn.Module] = []
    for layer in decoder_layers(config, media):
        layers += [
            UpsampledConvolution(rank, layer) if layer.upsamples else _transposed(rank, layer),
            nn.LeakyReLU(config.leak),
        ]
    return nn.Sequential(*layers[:-1])


def _transposed(rank: int, layer: DecoderLayer) -> nn.ConvTranspose1d | nn.ConvTranspose2d:
    return TRANSPOSED[rank](
        layer.inputs, layer.outputs, layer.merged, layer.stride, layer.padding, output_padding=layer.output_padding
    )


class UpsampledConvolution(nn.Module):
    """Repeats every number `stride` times along each axis (nearest neighbour), then convolves.

    Both together are one transposed convolution, whose filter is the convolution's summed over windows of `stride`.
    That is what is computed: it takes about `stride` times fewer multiplications, and executors need know nothing else.

    Args:
        rank: axes of a sample, 1 for audio, 2 for images.
        layer: whose filter sees zeros outside the sample.
    """

    def __init__(self, rank: int, layer: DecoderLayer) -> None:
        super().__init__()
        convolution = CONVOLUTION[rank](layer.inputs, layer.outputs, layer.size)
        self.weight, self.bias = convolution.weight, convolution.bias  # (outputs, inputs, *filter), (outputs,)
        self._rank, self._layer = rank, layer

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, *sizes) -> (B, outputs, *sizes times stride)."""
        transposed = nn.functional.conv_transpose1d if self._rank == 1 else nn.functional.conv_transpose2d
        layer = self._layer
        y: Tensor = transposed(x, self.merged(), self.bias, layer.stride, layer.padding, layer.output_padding)
        return y

    def merged(self) -> Tensor:
        """The transposed convolution's filter, (inputs, outputs, *(filter + stride - 1))."""
        stride = self._layer.stride
        axes = tuple(range(2, self.weight.dim()))
        weight = self.weight.transpose(0, 1).flip(axes)
        # Every number of a sample is met by `stride` neighbouring places of the filter.
        weight = nn.functional.pad(weight, (stride - 1, stride - 1) * self._rank)
        for axis in axes:
            weight = weight.unfold(axis, stride, 1).sum(-1)
        return weight

    def transposed(self) -> nn.Module:
        """The transposed convolution by itself, with a filter of its own that need not be computed again."""
        convolution = _transposed(self._rank, self._layer)
        convolution.weight, convolution.bias = nn.Parameter(self.merged()), self.bias
        return convolution
