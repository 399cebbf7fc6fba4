"""Principal components of clips, whose covariance is too large to decompose: the leading ones, found by iteration."""

from __future__ import annotations

import torch
from torch import Tensor

from training.evaluation.pca import PrincipalComponents, mean_image, pixels_of

MOST_CLIPS = 20_000  # that are learnt from
ROUNDS = 6
CHUNK = 2048


def fit(clips: Tensor, components: int) -> PrincipalComponents:
    """The leading principal components by subspace iteration from a random start (Halko, Martinsson and Tropp, 2011).

    Close to exact, and never better than it: twice as many directions are iterated as are wanted.

    Args:
        clips: (N, 1, T) int16; of more than `MOST_CLIPS` the first are taken.
        components: K, at most T.

    Raises:
        ValueError: if there are fewer samples in a clip than components.
    """
    clips = clips[:MOST_CLIPS]
    samples = clips[0].numel()
    if components > samples:
        raise ValueError(f"{components} principal components of {samples} samples")
    mean = mean_image(clips).flatten()
    width = min(samples, 2 * components)
    start = torch.randn(samples, width, generator=torch.Generator().manual_seed(0))
    basis = torch.linalg.qr(start).Q
    for _ in range(ROUNDS):
        basis = torch.linalg.qr(_scattered(clips, mean, basis)).Q
    # The best K directions within the subspace.
    _, inner = torch.linalg.eigh((basis.T @ _scattered(clips, mean, basis)).double())
    # Orthonormal to float64, as errors are had from scores alone.
    return PrincipalComponents(mean, torch.linalg.qr(basis.double() @ inner[:, -components:].flip(1)).Q.contiguous())


def _scattered(clips: Tensor, mean: Tensor, basis: Tensor) -> Tensor:
    """The clips' scatter matrix times a basis (T, W), without forming the matrix."""
    total = torch.zeros_like(basis)
    for chunk in torch.split(clips, CHUNK):
        centred = (pixels_of(chunk) - mean).float()
        total += centred.T @ (centred @ basis)
    return total
