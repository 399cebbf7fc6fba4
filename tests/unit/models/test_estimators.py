"""Gradients through the quantiser, against the rotation written out as a matrix."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from models.estimators import Estimator, rotated, straight_through


def gradient_through(estimator: Estimator, z: Tensor, entries: Tensor, above: Tensor) -> Tensor:
    z = z.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(estimator(z, entries), z, above)
    return gradient


@pytest.fixture
def vectors() -> tuple[Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(0)
    z, entries, above = torch.randn(3, 20, 6, generator=draw, dtype=torch.float64)
    return z, entries, above


@pytest.mark.parametrize("estimator", [straight_through, rotated])
def test_forward_they_are_the_entries_and_send_them_no_gradient(
    estimator: Estimator, vectors: tuple[Tensor, Tensor, Tensor]
) -> None:
    z, entries, _ = vectors
    entries.requires_grad_(True)
    carried = estimator(z.requires_grad_(True), entries)
    assert torch.allclose(carried, entries)
    (gradient,) = torch.autograd.grad(carried.sum(), entries, allow_unused=True)
    assert gradient is None


def test_straight_through_leaves_the_gradient_alone(vectors: tuple[Tensor, Tensor, Tensor]) -> None:
    assert torch.equal(gradient_through(straight_through, *vectors), vectors[2])


def test_rotated_keeps_the_angle_between_vector_and_gradient(vectors: tuple[Tensor, Tensor, Tensor]) -> None:
    z, entries, above = vectors
    gradient = gradient_through(rotated, z, entries, above)
    stretch = entries.norm(dim=-1) / z.norm(dim=-1)
    cosine = torch.nn.functional.cosine_similarity
    assert torch.allclose(cosine(gradient, z, dim=-1), cosine(above, entries, dim=-1))
    assert torch.allclose(gradient.norm(dim=-1), stretch * above.norm(dim=-1))


@pytest.mark.parametrize("estimator", [straight_through, rotated])
def test_vectors_without_a_direction_do_no_harm(estimator: Estimator) -> None:
    z, entries = torch.zeros(2, 3), torch.tensor([[1.0, 0, 0], [0, 0, 0]])
    assert torch.equal(estimator(z, entries), entries)
    assert gradient_through(estimator, z, entries, torch.ones(2, 3)).isfinite().all()
    opposite = torch.tensor([[-2.0, 0, 0], [1, 0, 0]])
    assert torch.equal(estimator(opposite, entries), entries)
    assert gradient_through(estimator, opposite, entries, torch.ones(2, 3)).isfinite().all()
