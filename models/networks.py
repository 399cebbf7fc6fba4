"""Convolutional encoder and decoder for images (2-D) and audio (1-D), from one description."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

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
    """(B, channels, *grid) -> (B, *media shape), by `config.decoder`."""
    return _upsampling_decoder(config, media) if config.decoder == "upsample" else _mirror(config, media)


def _mirror(config: AutoencoderConfig, media: Media) -> nn.Sequential:
    """The encoder's counterpart, layer by layer in reverse."""
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


def _upsampling_decoder(config: AutoencoderConfig, media: Media) -> nn.Sequential:
    """Appendix E.1's decoder for audio: one layer for each stride above 1, and so 4 for the paper's VCTK."""
    rank = len(media.shape) - 1
    inputs = config.channels
    layers: list[nn.Module] = []
    for outputs, size, stride in reversed(
        list(zip((media.shape[0], *config.widths), config.filters, config.strides, strict=True))
    ):
        if stride > 1:
            layers += [UpsampledConvolution(rank, inputs, outputs, size, stride), nn.LeakyReLU(config.leak)]
            inputs = outputs
    return nn.Sequential(*layers[:-1])


class UpsampledConvolution(nn.Module):
    """Repeats every number `stride` times along each axis (nearest neighbour), then convolves.

    Both together are one transposed convolution, whose filter is the convolution's summed over windows of `stride`.
    That is what is computed: it takes about `stride` times fewer multiplications, and executors need know nothing else.

    Args:
        rank: axes of a sample, 1 for audio, 2 for images.
        size: of the filter, which sees zeros outside the sample.
    """

    def __init__(self, rank: int, inputs: int, outputs: int, size: int, stride: int) -> None:
        super().__init__()
        convolution = CONVOLUTION[rank](inputs, outputs, size)
        self.weight, self.bias = convolution.weight, convolution.bias  # (outputs, inputs, *filter), (outputs,)
        merged = size + stride - 1
        self.stride, self.padding = stride, _padding(merged, stride)
        self.output_padding = 2 * self.padding - (merged - stride)
        self._rank = rank

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, *sizes) -> (B, outputs, *sizes times stride)."""
        transposed = nn.functional.conv_transpose1d if self._rank == 1 else nn.functional.conv_transpose2d
        y: Tensor = transposed(x, self.merged(), self.bias, self.stride, self.padding, self.output_padding)
        return y

    def merged(self) -> Tensor:
        """The transposed convolution's filter, (inputs, outputs, *(filter + stride - 1))."""
        axes = tuple(range(2, self.weight.dim()))
        weight = self.weight.transpose(0, 1).flip(axes)
        # Every number of a sample is met by `stride` neighbouring places of the filter.
        weight = nn.functional.pad(weight, (self.stride - 1, self.stride - 1) * self._rank)
        for axis in axes:
            weight = weight.unfold(axis, self.stride, 1).sum(-1)
        return weight

    def transposed(self) -> nn.ConvTranspose1d | nn.ConvTranspose2d:
        """The transposed convolution that computes the same, with a copy of the weights."""
        outputs, inputs, size, *_ = self.weight.shape
        filled = TRANSPOSED[self._rank](
            inputs, outputs, size + self.stride - 1, self.stride, self.padding, self.output_padding
        )
        filled.load_state_dict({"weight": self.merged(), "bias": self.bias})
        return filled
