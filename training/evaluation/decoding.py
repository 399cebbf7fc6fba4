"""Decode many prefixes of codes on a CPU: the same networks, computed in a quicker way."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Protocol

import torch
from torch import Tensor, nn

from models.autoencoder import OrderedVQVAE
from models.build import Autoencoder
from models.config import Media
from models.residual import ResidualAutoencoder

LANES = 16  # outputs that a convolution computes at once anyway


class HasLength(Protocol):
    """Something of K codes."""

    @property
    def codes(self) -> int:
        """K."""


class PrefixCoder(Protocol):
    """An autoencoder that decodes prefixes, whatever its codes are: `OrderedVQVAE`, or one of continuous latents."""

    @property
    def config(self) -> HasLength:
        """What it is made of."""

    @property
    def media(self) -> Media:
        """What it decodes to."""

    def encode_codes(self, x: Tensor) -> Tensor:
        """(B, *media shape) -> (B, K)."""

    def decode_codes(self, codes: Tensor, lengths: Tensor) -> Tensor:
        """The first `lengths` (B,) of each row of codes (B, K) -> (B, *media shape), clamped to the media's range."""


def decode_prefixes(autoencoder: PrefixCoder, codes: Tensor) -> Iterator[Tensor]:
    """Samples (B, *media shape) from the first 1, 2, .. K codes of each row (B, K)."""
    if isinstance(autoencoder, ResidualAutoencoder):
        # Here a prefix continues the one before it, which convolutions do not.
        yield from autoencoder.decode_each(codes)
        return
    for length in range(1, autoencoder.config.codes + 1):
        yield autoencoder.decode_codes(codes, torch.full((len(codes),), length, device=codes.device))


def laid_out(autoencoder: Autoencoder, device: torch.device) -> Autoencoder:
    """An autoencoder that computes the same up to rounding, in half the time for pictures on a CPU.

    There, pixels have their channels side by side, and a decoder's layers with few outputs are `PhasedConvolution`. An
    executor cannot be made of it; elsewhere it is the autoencoder itself.
    """
    if device.type != "cpu" or not isinstance(autoencoder, OrderedVQVAE) or len(autoencoder.grid) != 2:
        return autoencoder
    quick = deepcopy(autoencoder)
    for index, layer in enumerate(quick.decoder):
        if isinstance(layer, nn.ConvTranspose2d) and layer.out_channels * layer.stride[0] * layer.stride[1] <= LANES:
            quick.decoder[index] = PhasedConvolution(layer)
    return quick.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


class PhasedConvolution(nn.Module):
    """A transposed convolution of stride s as a convolution with s x s times as many outputs, one for each phase.

    Outputs at the same place modulo s, a phase, are a convolution of the inputs with every s-th place of the filter. So
    all phases are computed at once where a phase alone would fill a small part of a vector, and then interleaved.

    Args:
        layer: whose output is its input's size times its stride, without dilation or groups, as all of ours.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, layer: nn.ConvTranspose2d) -> None:
        super().__init__()
        (down, across), (top, left) = layer.stride, (_int(each) for each in layer.padding)
        if down != across or top != left:
            raise ValueError("a phased convolution has the same stride and padding in both directions")
        self.stride = down
        taps = [_taps(size, down, top) for size in layer.kernel_size]
        self.padding = max(abs(shift) for tap in taps for _, _, shift in tap)
        size, weight = 2 * self.padding + 1, layer.weight.detach()  # (inputs, outputs, *filter)
        phases = weight.new_zeros(layer.out_channels, down, down, layer.in_channels, size, size)
        for y, from_y, shift_y in taps[0]:
            for x, from_x, shift_x in taps[1]:
                place = (self.padding + shift_y, self.padding + shift_x)
                phases[:, y, x, :, place[0], place[1]] = weight[:, :, from_y, from_x].T
        bias = weight.new_zeros(layer.out_channels) if layer.bias is None else layer.bias.detach()
        self.register_buffer("weight", phases.flatten(0, 2))
        self.register_buffer("bias", bias.repeat_interleave(down**2))

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H * s, W * s)."""
        phases = nn.functional.conv2d(x, self.weight, self.bias, padding=self.padding)
        return nn.functional.pixel_shuffle(phases, self.stride)


def _int(value: int | str) -> int:
    return int(value)


def _taps(size: int, stride: int, padding: int) -> list[tuple[int, int, int]]:
    """Of a filter along one axis: phase, place of the filter, and how many inputs further on it looks."""
    return [
        (phase, place, (phase + padding - place) // stride)
        for phase in range(stride)
        for place in range(size)
        if (phase + padding - place) % stride == 0
    ]
