"""Appendix D: pictures as symbols, densities that add up, and how bits are counted."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from factories import TRANSFORMER
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from toy_baselines import toy_baseline, toy_pca_prior
from toy_data import toy_split, write_idx_folder

from models.errors import DataError
from models.prior import Prior, build_prior
from training.baselines.pca_prior.sampling import sample
from training.baselines.pca_prior.spaces import CoefficientSpace, PixelSpace, fit_coefficients, shrink
from training.baselines.pca_prior.task import DensityTask, Stage, bits


def noise_like(images: Tensor, seed: int) -> Tensor:
    return torch.rand(images.shape, generator=torch.Generator().manual_seed(seed))


def correlated(count: int, seed: int) -> Tensor:
    """Two pixels, (N, 2) uint8: Gaussian with standard deviation 20 and correlation 0.9."""
    first, second = torch.randn(2, count, generator=torch.Generator().manual_seed(seed))
    second = 0.9 * first + math.sqrt(1 - 0.81) * second
    return (128 + 20 * torch.stack([first, second], dim=1)).floor().clamp(0, 255).to(torch.uint8)


def fitted(images: Tensor, bins: int) -> CoefficientSpace:
    return fit_coefficients(images, noise_like(images, 1), bins)


def uniform_prior(numbers: int, symbols: int) -> Prior:
    """A Transformer that finds every symbol equally likely."""
    torch.manual_seed(0)
    prior = build_prior(TRANSFORMER, numbers, symbols, labels=0).eval()
    torch.nn.init.zeros_(prior.head.weight)
    torch.nn.init.zeros_(prior.head.bias)
    return prior


def test_a_uniform_model_of_pixels_takes_eight_bits() -> None:
    images = toy_split(20).images.flatten(1)
    with torch.inference_mode():
        found = bits(uniform_prior(64, 256), PixelSpace().encode(images, noise_like(images, 0)))
    assert found.shape == (20, 64)
    assert found.flatten().tolist() == pytest.approx([8.0] * 20 * 64, rel=1e-6)


def test_bits_are_the_models_and_those_inside_the_bin() -> None:
    images = correlated(2000, 0)
    space = fitted(images, 16)
    torch.manual_seed(1)
    prior = build_prior(TRANSFORMER, 2, 16, labels=0).eval()
    encoded = space.encode(images[:150], noise_like(images[:150], 2))
    with torch.inference_mode():
        logits = prior(encoded.symbols, torch.zeros(150, dtype=torch.int64))
        chosen = logits.log_softmax(-1).gather(2, encoded.symbols[..., None]).squeeze(2) / math.log(2)
        found = bits(prior, encoded)
    assert torch.allclose(found, encoded.inside - chosen, atol=1e-5)


def test_coefficients_turn_pixels_without_stretching_them() -> None:
    images = toy_split(600).images.flatten(1)
    space = fitted(images, 16)
    noise = noise_like(images, 3)
    identity = space.components.T @ space.components
    assert torch.allclose(identity, torch.eye(64, dtype=torch.float64), atol=1e-10)
    lengths = (images + noise - space.mean).norm(dim=1)
    assert torch.allclose(space.coefficients(images, noise).norm(dim=1), lengths)
    variances = space.coefficients(images, noise).var(0)
    assert (variances[:3].diff() < 0).all()


def test_every_bin_holds_as_many_training_pictures() -> None:
    images = correlated(3200, 4)
    symbols = fitted(images, 16).encode(images, noise_like(images, 1)).symbols
    for column in symbols.unbind(1):
        assert column.bincount(minlength=16).sub(200).abs().max() <= 1  # float32 decides the one on the edge


def test_the_density_adds_up_to_one() -> None:
    images = correlated(3200, 5)[:, :1]
    space = fitted(images, 16)
    grid = torch.arange(-200_000, 400_000) / 1000  # grey values, far past both tails
    flat = torch.zeros(len(grid), 1, dtype=torch.uint8)
    sign = space.components.item()
    encoded = space.encode(flat, (sign * grid[:, None]) + space.mean)
    density = torch.exp2(-space.marginal_bits(images, encoded)).flatten()
    assert set(torch.unique(encoded.symbols).tolist()) == set(range(16))
    assert density.sum().item() / 1000 == pytest.approx(1, abs=0.01)


def test_bits_of_a_gaussian_are_its_entropy() -> None:
    """The components of a Gaussian are independent, so each alone tells all; its pixels are not."""
    train, test = correlated(40_000, 6), correlated(10_000, 7)
    each = 0.5 * math.log2(2 * math.pi * math.e * 400)
    together = each * 2 + 0.5 * math.log2(1 - 0.81)
    coefficients, pixels = fitted(train, 128), PixelSpace()
    for space, expected in ((coefficients, together), (pixels, 2 * each)):
        encoded = space.encode(test, noise_like(test, 8))
        assert space.marginal_bits(train, encoded).sum(1).mean().item() == pytest.approx(expected, abs=0.06)


def test_symbols_turn_back_into_pictures() -> None:
    images = correlated(8000, 9)
    noise = noise_like(images, 10)
    assert torch.equal(PixelSpace().decode(PixelSpace().encode(images, noise).symbols), images)
    errors = []
    for bins in (4, 32, 256):
        space = fitted(images, bins)
        rebuilt = space.decode(space.encode(images, noise).symbols)
        errors.append((rebuilt.double() - images).abs().mean().item())
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 1


def test_too_few_pictures_for_the_bins_are_refused() -> None:
    with pytest.raises(DataError, match=r"100 training images are too few for 16 bins, which take 16 each; lower bins"):
        fitted(correlated(100, 0), 16)


@settings(max_examples=40, deadline=None)
@given(factor=st.sampled_from([1, 2, 4]), seed=st.integers(0, 1000))
def test_shrinking_takes_means_of_squares(factor: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (3, 2, 8, 4), generator=generator, dtype=torch.uint8)
    small = shrink(images, factor)
    means = torch.nn.functional.avg_pool2d(images.float(), factor)
    assert small.shape == (3, 2, 8 // factor, 4 // factor)
    assert torch.equal(small, (means + 0.5).floor().to(torch.uint8))


def test_samples_follow_the_model_and_their_number() -> None:
    prior = uniform_prior(5, 16)
    drawn = sample(prior, 23, seed=4)
    assert drawn.shape == (23, 5)
    assert torch.equal(sample(prior, 3, seed=4), drawn[:3])
    assert not torch.equal(sample(prior, 3, seed=5), drawn[:3])
    assert len(torch.unique(drawn)) == 16
    with torch.no_grad():
        prior.head.bias[7] = 50
    assert torch.unique(sample(prior, 4, seed=4)).tolist() == [7]


@pytest.mark.parametrize(("stage", "gain"), [("pixels", 0.3), ("coefficients", 0.05)])
def test_a_model_learns_what_its_symbols_are(tmp_path: Path, stage: Stage, gain: float) -> None:
    data = write_idx_folder(tmp_path / "data", toy_split(400), toy_split(30, seed=1))
    run = toy_baseline(toy_pca_prior(), data, tmp_path / "run")
    task = DensityTask(run, stage)
    task.start()
    optimiser = torch.optim.Adam(task.network.parameters(), lr=1e-2)
    before = _bits_per_dim(task)
    for step in range(30):
        optimiser.zero_grad()
        loss, _ = task.loss(torch.arange(100), seed=step)
        torch.autograd.backward(loss)
        optimiser.step()
    assert task.examples == 340
    assert task.codes_per_example == 16
    assert _bits_per_dim(task) < before - gain


def _bits_per_dim(task: DensityTask) -> float:
    task.network.eval()
    with torch.inference_mode():
        found = task.validate()["bits per dim"]
    task.network.train()
    return found
