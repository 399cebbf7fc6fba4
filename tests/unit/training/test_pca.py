from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from training.evaluation import pca


def random_images(count: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 1, 4, 3), generator=generator, dtype=torch.uint8)


def low_rank_images(count: int) -> Tensor:
    """A base picture plus two patterns, in whole bytes: their centred pixels have rank 2 exactly."""
    generator = torch.Generator().manual_seed(1)
    patterns = torch.randint(0, 10, (3, 1, 4, 3), generator=generator)
    weights = torch.randint(0, 10, (count, 2), generator=generator)
    return (patterns[0] + torch.einsum("np,pchw->nchw", weights, patterns[1:])).to(torch.uint8)


def test_images_of_rank_two_need_two_components() -> None:
    images = low_rank_images(40)
    errors = pca.fit(images, 4).errors(images, clamp=False).mean(0)
    assert errors[1] > 1e-4
    assert errors[2:].tolist() == pytest.approx([0, 0, 0], abs=1e-12)


def test_training_error_is_what_the_remaining_singular_values_say() -> None:
    images = random_images(60)
    pixels = images.flatten(1).double().numpy() / 255
    singular = np.linalg.svd(pixels - pixels.mean(0), compute_uv=False)
    expected = [(singular[n:] ** 2).sum() / len(images) for n in range(6)]
    assert pca.fit(images, 5).errors(images, clamp=False).mean(0).tolist() == pytest.approx(expected, rel=1e-10)


def test_unseen_images_lose_error_with_every_component_and_by_clamping() -> None:
    components = pca.fit(random_images(60), 12)
    unseen = random_images(30, seed=9)
    plain, clamped = components.errors(unseen, clamp=False), components.errors(unseen, clamp=True)
    assert (plain.diff(dim=1) <= 1e-12).all()
    assert (clamped <= plain + 1e-12).all()
    assert (clamped[:, 1:] < plain[:, 1:] - 1e-6).any()
    assert plain[:, -1].max() < 1e-12  # as many components as pixels lose nothing


def test_no_components_is_the_mean_image() -> None:
    images = random_images(20)
    mean = pca.mean_image(images)
    assert mean.shape == (1, 4, 3)
    assert mean.dtype == torch.float64
    expected = (images.double() / 255 - mean).square().flatten(1).sum(1)
    assert pca.fit(images, 2).errors(images, clamp=True)[:, 0].tolist() == pytest.approx(expected.tolist())


def test_the_mean_of_many_bright_images_is_exact() -> None:
    assert (pca.mean_image(torch.full((70_000, 1, 1, 1), 255, dtype=torch.uint8)) == 1).all()


def test_more_components_than_pixels_are_refused() -> None:
    with pytest.raises(ValueError, match="13 principal components of 12 pixels"):
        pca.fit(random_images(20), 13)
