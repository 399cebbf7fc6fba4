from __future__ import annotations

import pytest
import torch
from torch import Tensor

from training.evaluation.frechet import FrechetReference, distances


def with_moments(count: int, mean: Tensor, factor: Tensor, seed: int) -> Tensor:
    """Features whose sample mean is exactly `mean` and whose sample covariance is `factor @ factor.T`."""
    raw = torch.randn(count, len(mean), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    raw -= raw.mean(0)
    white: Tensor = raw @ torch.linalg.inv(torch.linalg.cholesky(raw.T @ raw / (count - 1))).T
    return white @ factor.T + mean


def square_root(matrix: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    root: Tensor = vectors @ values.clamp(min=0).sqrt().diag() @ vectors.T
    return root


def test_equals_the_closed_form_for_independent_features() -> None:
    means = torch.tensor([0.0, 1.0, -2.0]).double(), torch.tensor([1.0, 1.0, 0.0]).double()
    scales = torch.tensor([1.0, 2.0, 3.0]).double(), torch.tensor([2.0, 2.0, 0.5]).double()
    real, generated = (
        with_moments(50, m, s.diag(), seed) for seed, (m, s) in enumerate(zip(means, scales, strict=True))
    )
    expected = (means[0] - means[1]).square().sum() + (scales[0] - scales[1]).square().sum()
    assert FrechetReference(real).distance(generated) == pytest.approx(expected.item(), rel=1e-9)


def test_equals_the_closed_form_for_covariances_that_do_not_commute() -> None:
    generator = torch.Generator().manual_seed(3)
    factors = [torch.randn(4, 4, generator=generator, dtype=torch.float64) for _ in range(2)]
    first, second = (factor @ factor.T for factor in factors)
    zero = torch.zeros(4, dtype=torch.float64)
    real, generated = (with_moments(200, zero, factor, seed) for seed, factor in enumerate(factors))
    root = square_root(first)
    expected = first.trace() + second.trace() - 2 * square_root(root @ second @ root).trace()
    assert FrechetReference(real).distance(generated) == pytest.approx(expected.item(), rel=1e-8)


def test_is_zero_on_itself_and_the_same_from_both_sides() -> None:
    generator = torch.Generator().manual_seed(0)
    one, other = torch.rand(100, 6, generator=generator), torch.rand(80, 6, generator=generator).square()
    assert FrechetReference(one).distance(one) == pytest.approx(0, abs=1e-9)
    assert FrechetReference(one).distance(other) == pytest.approx(FrechetReference(other).distance(one), rel=1e-9)
    assert FrechetReference(one).distance(other) > 0.01


def test_a_reference_is_not_changed_by_what_it_is_compared_with() -> None:
    generator = torch.Generator().manual_seed(0)
    reference = FrechetReference(torch.randn(100, 4, generator=generator))
    other = torch.randn(50, 4, generator=generator) + 1
    first = reference.distance(other)
    reference.distance(other * 5)
    assert reference.distance(other) == first


def test_a_resampled_set_is_its_rows_copied() -> None:
    generator = torch.Generator().manual_seed(4)
    real, features = torch.randn(200, 5, generator=generator), torch.randn(60, 5, generator=generator) + 0.3
    rows = torch.randint(60, (60,), generator=generator)
    reference = FrechetReference(real)
    times = torch.bincount(rows, minlength=60)
    assert reference.resampled_distance(features, times) == pytest.approx(reference.distance(features[rows]), rel=1e-9)
    assert reference.resampled_distance(features, torch.ones(60)) == pytest.approx(
        reference.distance(features), rel=1e-9
    )


def test_paired_intervals_hold_the_observed_differences_and_repeat() -> None:
    generator = torch.Generator().manual_seed(1)
    real = torch.randn(400, 3, generator=generator)
    noise = torch.randn(300, 3, generator=generator)
    sets = [noise + shift for shift in (2.0, 1.0, 0.0)]
    reference = FrechetReference(real)
    found, drops = distances(reference, sets, seed=5)
    assert [estimate.value for estimate in found] == [reference.distance(features) for features in sets]
    for drop, earlier, later in zip(drops, found[:-1], found[1:], strict=True):
        assert drop.value == pytest.approx(earlier.value - later.value)
        assert 0 < drop.low < drop.value < drop.high
    assert distances(reference, sets, seed=5) == (found, drops)
    assert distances(reference, sets, seed=6) != (found, drops)
