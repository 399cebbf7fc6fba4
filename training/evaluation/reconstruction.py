"""Reconstruction error by code count, and what each code adds (section 5.1, Eq. (7), Fig. 3).

The error of an image is ‖x' - x‖², summed over its channels and pixels, with pixel values in [0, 1]; divided by the
number of values C * H * W it is the mean squared error per pixel. That of a clip is the same over its samples, which
are in [-1, 1].

err(0), the error of no code at all, is that of the best constant answer, the mean training image. The objective of
Eq. (6) draws truncations from 1 .. K, so the decoder has never learnt what to make of zero codes, whereas every caller
knows the mean image without any code. PCA with no components gives the same picture, hence both curves start together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from models.config import Media
from training.data.dataset import FULL_SCALE, Split
from training.evaluation.decoding import PrefixCoder, decode_prefixes
from training.evaluation.intervals import means
from training.evaluation.report import Curve

BATCH = 500

# From answers and originals, float64 with a batch in front, which an answer to all may lack, to (B,).
Distance = Callable[[Tensor, Tensor], Tensor]


def squared_error(answer: Tensor, original: Tensor) -> Tensor:
    """‖x' - x‖² of every sample."""
    return (answer - original).square().flatten(1).sum(1)


@torch.inference_mode()
def errors_by_length(
    autoencoder: PrefixCoder,
    split: Split,
    constant: Tensor,
    device: torch.device,
    distance: Distance = squared_error,
) -> Tensor:
    """Squared error of every sample of a split, rebuilt from its first n codes, n = 0 .. K.

    Args:
        constant: (*media shape) the answer without any code, the mean training sample.
        distance: measured instead of the squared error.

    Returns:
        (N, K + 1) float64 on the host.
    """
    measured = []
    for start in range(0, len(split), BATCH):
        rows = slice(start, start + BATCH)
        x = split.batch(rows, device)
        original = split.images[rows].to(device).double() / FULL_SCALE[split.images.dtype]
        indices = autoencoder.encode_codes(x)
        errors = [distance(constant.to(device), original)]
        errors += [distance(answer.double(), original) for answer in decode_prefixes(autoencoder, indices)]
        measured.append(torch.stack(errors, dim=1).cpu())
    return torch.cat(measured)


@torch.inference_mode()
def reconstruct(autoencoder: PrefixCoder, images: Split, length: int, device: torch.device) -> Tensor:
    """A split's samples rebuilt from their first `length` codes, as the split stores them."""
    rebuilt = []
    for start in range(0, len(images), BATCH):
        x = images.batch(slice(start, start + BATCH), device)
        lengths = x.new_full((len(x),), length, dtype=torch.int64)
        rebuilt.append(as_stored(autoencoder.decode_codes(autoencoder.encode_codes(x), lengths), autoencoder.media))
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


def shares(errors: Sequence[float]) -> tuple[float, ...] | None:
    """The share of the achievable reduction at every length, (err(0) - err(n)) / (err(0) - err(K)), not fitted.

    Args:
        errors: mean errors, n = 0 .. K.

    Returns:
        K + 1 numbers; None if no error is saved at all.
    """
    first, last = errors[0], errors[-1]
    return None if last >= first else tuple((first - error) / (first - last) for error in errors)


def to_bytes(images: Tensor) -> Tensor:
    """Images in [0, 1] rounded to bytes as an encoder would, uint8 on the host."""
    return images.mul(255).round().to("cpu", torch.uint8)


def as_stored(samples: Tensor, media: Media) -> Tensor:
    """Samples (N, *media shape) as a split has them, on the host: images in bytes, audio in 16 bits."""
    if media.type == "image":
        return to_bytes(samples)
    full = FULL_SCALE[torch.int16]
    return samples.mul(full).round().clamp(-full, full - 1).to("cpu", torch.int16)
