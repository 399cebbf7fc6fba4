"""Reconstruction error by code count, and what each code adds (section 5.1, Eq. (7), Fig. 3).

The error of an image is ‖x' - x‖², summed over its channels and pixels, with pixel values in [0, 1]; divided by the
number of values C * H * W it is the mean squared error per pixel.

err(0), the error of no code at all, is that of the best constant answer, the mean training image. The objective of
Eq. (6) draws truncations from 1 .. K, so the decoder has never learnt what to make of zero codes, whereas every caller
knows the mean image without any code. PCA with no components gives the same picture, hence both curves start together.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from training.data.dataset import Split
from training.evaluation.intervals import means
from training.evaluation.report import Curve

BATCH = 500


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

    def encode_codes(self, x: Tensor) -> Tensor:
        """(B, *media shape) -> (B, K)."""

    def decode_codes(self, codes: Tensor, lengths: Tensor) -> Tensor:
        """The first `lengths` (B,) of each row of codes (B, K) -> (B, *media shape), clamped to the media's range."""


@torch.inference_mode()
def errors_by_length(autoencoder: PrefixCoder, split: Split, constant: Tensor, device: torch.device) -> Tensor:
    """Squared error of every image of a split, rebuilt from its first n codes, n = 0 .. K.

    Args:
        constant: (C, H, W) the answer without any code, the mean training image.

    Returns:
        (N, K + 1) float64 on the host.
    """
    codes = autoencoder.config.codes
    measured = []
    for start in range(0, len(split), BATCH):
        rows = slice(start, start + BATCH)
        x, pixels = split.batch(rows, device), split.images[rows].to(device).double() / 255
        indices = autoencoder.encode_codes(x)
        lengths = [torch.full((len(x),), n, device=device) for n in range(1, codes + 1)]
        errors = [_squared_error(constant.to(device), pixels)]
        errors += [_squared_error(autoencoder.decode_codes(indices, length), pixels) for length in lengths]
        measured.append(torch.stack(errors, dim=1).cpu())
    return torch.cat(measured)


@torch.inference_mode()
def reconstruct(autoencoder: PrefixCoder, images: Split, length: int, device: torch.device) -> Tensor:
    """A split's images rebuilt from their first `length` codes, (N, C, H, W) uint8."""
    rebuilt = []
    for start in range(0, len(images), BATCH):
        x = images.batch(slice(start, start + BATCH), device)
        lengths = x.new_full((len(x),), length, dtype=torch.int64)
        rebuilt.append(to_bytes(autoencoder.decode_codes(autoencoder.encode_codes(x), lengths)))
    return torch.cat(rebuilt)


def gains(errors: Tensor) -> Tensor:
    """Δ_x(i) = error with i - 1 codes - error with i codes, i = 1 .. K, Eq. (7): (N, K + 1) -> (N, K)."""
    return -errors.diff(dim=1)


def curve(errors: Tensor, pixels: int) -> Curve:
    """Means over images of errors (N, K + 1) and of their gains; `pixels` are the numbers in an image."""
    estimates = means(errors)
    return Curve(
        errors=estimates,
        errors_per_pixel=tuple(estimate.value / pixels for estimate in estimates),
        gains=means(gains(errors)),
    )


def to_bytes(images: Tensor) -> Tensor:
    """Images in [0, 1] rounded to bytes as an encoder would, uint8 on the host."""
    return images.mul(255).round().to("cpu", torch.uint8)


def _squared_error(answer: Tensor, pixels: Tensor) -> Tensor:
    return (answer.double() - pixels).square().flatten(1).sum(1)
