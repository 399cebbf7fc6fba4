"""Principal component analysis of the pixels: the linear ordered code that the model is held against (Fig. 3).

Of audio, what is said of pixels holds for the samples of a clip, which are stored in 16 bits and lie in [-1, 1].
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from training.data.dataset import FULL_SCALE

CHUNK = 4096


@dataclass(frozen=True, slots=True)
class PrincipalComponents:
    """The leading components of a set of images.

    Attributes:
        mean: (P,) float64, P = C * H * W pixels in [0, 1].
        components: (P, K) float64 orthonormal columns, by falling variance.
    """

    mean: Tensor
    components: Tensor

    def errors(self, images: Tensor, clamp: bool) -> Tensor:
        """Squared error of images rebuilt from their first n components, n = 0 .. K.

        Args:
            images: (N, C, H, W) uint8.
            clamp: clip what is rebuilt to [0, 1], or [-1, 1] for audio, as the decoder's output is; this can only lower
                the error.

        Returns:
            (N, K + 1) float64, summed over an image's pixels.
        """
        lowest = -1.0 if images.dtype == torch.int16 else 0.0
        limits = (lowest, 1.0) if clamp else None
        return torch.cat([self._errors(pixels_of(chunk), limits) for chunk in torch.split(images, CHUNK)])

    def _errors(self, pixels: Tensor, limits: tuple[float, float] | None) -> Tensor:
        centred = pixels - self.mean
        scores = centred @ self.components
        errors = pixels.new_empty(len(pixels), self.components.shape[1] + 1)
        errors[:, 0] = centred.square().sum(1)
        if limits is None:
            # Orthonormal components: each takes away its own score's square.
            errors[:, 1:] = errors[:, :1] - scores.square().cumsum(1)
            return errors.clamp_(min=0)
        rebuilt, shown = self.mean.expand_as(pixels).clone(), torch.empty_like(pixels)
        for n in range(self.components.shape[1]):
            rebuilt.addcmul_(scores[:, n, None], self.components[:, n])
            torch.clamp(rebuilt, *limits, out=shown)
            errors[:, n + 1] = shown.sub_(pixels).square_().sum(1)
        return errors


def fit(images: Tensor, components: int) -> PrincipalComponents:
    """Exact PCA by eigen-decomposition of the pixels' covariance.

    Args:
        images: (N, C, H, W) uint8.
        components: K, at most C * H * W.

    Raises:
        ValueError: if there are fewer pixels than components.
    """
    count, pixels = len(images), images[0].numel()
    if components > pixels:
        raise ValueError(f"{components} principal components of {pixels} pixels")
    mean = mean_image(images).flatten()
    scatter = torch.zeros(pixels, pixels, dtype=torch.float64)
    for chunk in torch.split(images, CHUNK):
        centred = pixels_of(chunk) - mean
        scatter += centred.T @ centred
    # eigh sorts ascending.
    vectors = torch.linalg.eigh(scatter / count).eigenvectors[:, -components:].flip(1)
    return PrincipalComponents(mean, vectors.contiguous())


def mean_image(images: Tensor) -> Tensor:
    """The mean of images (N, C, H, W) uint8 as (C, H, W) float64 in [0, 1], exact; of clips likewise."""
    # Summed as integers: exact, whatever the order.
    return images.sum(0, dtype=torch.int64).double() / (FULL_SCALE[images.dtype] * len(images))


def pixels_of(images: Tensor) -> Tensor:
    """Images (N, C, H, W) uint8 as (N, P) float64 in [0, 1]; clips (N, 1, T) int16 as (N, T) in [-1, 1]."""
    return images.flatten(1).double() / FULL_SCALE[images.dtype]
