"""Fréchet distance between Gaussians fitted to features of two sets of images.

Computed by torchmetrics' `FrechetInceptionDistance`, which accumulates in float64 and takes any feature module. It
is called FD with its extractor's name, and FID only over the features that others mean by that.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance

from training.evaluation.intervals import Estimate, around

RESAMPLES = 50


class _GivenFeatures(nn.Module):
    """Stands where torchmetrics expects an extractor: the features have been computed already.

    `num_features` spares torchmetrics a trial run on a dummy picture, and float64 features make it return float64.
    """

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, features: Tensor) -> Tensor:
        return features


class FrechetReference:
    """The real side of the distance, fitted once and compared with many sets.

    FD = ‖m1 - m2‖² + tr(S1 + S2 - 2 (S1 S2)^½), with means m and covariances S, in squared feature units.
    """

    def __init__(self, features: Tensor) -> None:
        """Fit to real features (N, F), N >= 2."""
        self._metric = FrechetInceptionDistance(_GivenFeatures(features.shape[1]), reset_real_features=False)
        self._metric.update(features.double(), real=True)

    def distance(self, features: Tensor) -> float:
        """FD of a set of features (M, F), M >= 2. Comparable only between sets of like size: FD falls as M grows."""
        self._metric.update(features.double(), real=False)
        return self._compared()

    def resampled_distance(self, features: Tensor, times: Tensor) -> float:
        """FD of the set that has row i of the features (M, F) so many `times` (M,): the same, without copying rows."""
        drawn = times.nonzero().flatten()
        weights, features = times[drawn, None].double(), features[drawn].double()
        # What torchmetrics would have added up over the copies; a row that is not drawn is not multiplied either.
        weighted = features * weights
        self._metric.update(features[:1], real=False)  # or it would warn that there is nothing to compute from
        self._metric.fake_features_sum = weighted.sum(0)
        self._metric.fake_features_cov_sum = features.T @ weighted
        self._metric.fake_features_num_samples = times.sum()
        return self._compared()

    def _compared(self) -> float:
        distance: float = self._metric.compute().item()
        self._metric.reset()
        return distance


def distances(reference: FrechetReference, sets: Sequence[Tensor], seed: int) -> tuple[list[Estimate], list[Estimate]]:
    """FD of each set, and how much lower each set's is than the one's before it, with bootstrap intervals.

    Row i of every set stems from the same sample i, so each resample takes the same rows of all sets: what the sets
    share cancels in the differences. Resampling itself raises FD; hence intervals are the observed value -+ 1.96
    standard deviations over the resamples, not their quantiles.

    Args:
        sets: features (M, F) each, same M.
        seed: of the resampling.

    Returns:
        One estimate per set, and one per pair of neighbours (earlier - later).
    """
    generator = torch.Generator().manual_seed(seed)
    observed = torch.tensor([reference.distance(features) for features in sets], dtype=torch.float64)
    resampled = torch.empty(RESAMPLES, len(sets), dtype=torch.float64)
    for row in resampled:
        rows = torch.randint(len(sets[0]), (len(sets[0]),), generator=generator)
        times = torch.bincount(rows, minlength=len(sets[0]))
        found = [reference.resampled_distance(features, times) for features in sets]
        row.copy_(torch.tensor(found, dtype=torch.float64))
    return _estimates(observed, resampled), _estimates(-observed.diff(), -resampled.diff(dim=1))


def _estimates(observed: Tensor, resampled: Tensor) -> list[Estimate]:
    deviations = resampled.std(dim=0)
    return [around(value, deviation) for value, deviation in zip(observed.tolist(), deviations.tolist(), strict=True)]
