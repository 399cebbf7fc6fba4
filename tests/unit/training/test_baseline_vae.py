"""Eq. (13): the network, its two terms, and the task that trains it."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence
from toy_baselines import toy_baseline, toy_vae
from toy_data import toy_split, write_idx_folder

from training.baselines.options import VAERecipe
from training.baselines.vae.measure import rises
from training.baselines.vae.network import VAE, Posterior
from training.baselines.vae.task import VAETask
from training.context import Run
from training.evaluation.pca import mean_image
from training.evaluation.reconstruction import errors_by_length

LATENTS = 6


def network(seed: int = 0) -> VAE:
    torch.manual_seed(seed)
    recipe = toy_vae()
    return VAE(recipe.network, recipe.media).eval()


def certain(vae: VAE) -> VAE:
    """The same, with next to no variance left in its posterior."""
    head = vae.encoder[-1]
    assert isinstance(head, nn.Linear)
    with torch.no_grad():
        head.weight[LATENTS:] = 0
        head.bias[LATENTS:] = -200
    return vae


def images(count: int) -> Tensor:
    return toy_split(count).images / 255


@pytest.fixture
def run(tmp_path: Path) -> Run[VAERecipe]:
    data = write_idx_folder(tmp_path / "data", toy_split(400), toy_split(30, seed=1))
    return toy_baseline(toy_vae(), data, tmp_path / "run")


@settings(max_examples=40, deadline=None)
@given(mean=st.floats(-5, 5), log_variance=st.floats(-6, 3))
def test_the_divergence_is_that_of_two_gaussians(mean: float, log_variance: float) -> None:
    found = Posterior(torch.tensor([[mean]]), torch.tensor([[log_variance]])).divergence.item()
    expected = kl_divergence(Normal(mean, math.exp(log_variance / 2)), Normal(0.0, 1.0)).item()
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_samples_of_the_posterior_have_its_mean_and_variance() -> None:
    posterior = Posterior(torch.full((20_000, 1), 2.0), torch.full((20_000, 1), math.log(0.25)))
    drawn = posterior.sample(torch.randn(20_000, 1, generator=torch.Generator().manual_seed(0)))
    assert drawn.mean().item() == pytest.approx(2.0, abs=0.02)
    assert drawn.var().item() == pytest.approx(0.25, abs=0.02)


@settings(max_examples=40, deadline=None)
@given(length=st.integers(0, LATENTS), seed=st.integers(0, 2**31))
def test_latents_past_the_length_do_not_matter(length: int, seed: int) -> None:
    vae, generator = network(), torch.Generator().manual_seed(seed)
    latents, others = torch.randn(2, 3, LATENTS, generator=generator)
    others[:, :length] = latents[:, :length]
    lengths = torch.full((3,), length)
    assert torch.equal(vae.decode(latents, lengths), vae.decode(others, lengths))


def test_every_latent_within_the_length_matters() -> None:
    vae, latents = network(), torch.zeros(LATENTS, LATENTS)
    full = torch.full((LATENTS,), LATENTS)
    moved = vae.decode(torch.eye(LATENTS), full) - vae.decode(latents, full)
    assert (moved.flatten(1).abs().amax(1) > 1e-4).all()


def test_only_kept_latents_are_paid_for() -> None:
    vae, x = network(), images(4)
    divergence = vae.posterior(x).divergence
    lengths = torch.tensor([1, 3, 6, 2])
    found = vae.train_pass(x, lengths, torch.zeros(4, LATENTS)).divergence.item()
    assert found == pytest.approx(sum(row[:n].sum().item() for row, n in zip(divergence, lengths, strict=True)) / 4)


def test_without_variance_weight_or_cut_it_is_an_autoencoder(run: Run[VAERecipe]) -> None:
    task = VAETask(run, "standard")
    task.kl = 0.0
    certain(task.network)
    rows = torch.arange(9)
    x = run.dataset.train.batch(rows, run.device)
    rebuilt = task.network.decode(task.network.encode_codes(x), torch.full((9,), LATENTS))
    assert task.loss(rows, seed=1)[0].item() == pytest.approx((rebuilt - x).square().flatten(1).sum(1).mean().item())


def test_the_loss_weighs_the_divergence(run: Run[VAERecipe]) -> None:
    task, rows = VAETask(run, "standard"), torch.arange(20)
    loss, parts = task.loss(rows, seed=5)
    weighted = parts["reconstruction"] + run.recipe.stages.standard.kl * parts["divergence"]
    assert loss.item() == pytest.approx(weighted.item())
    assert parts["divergence"] > 0


def test_the_ordered_stage_cuts_every_image_by_itself(run: Run[VAERecipe], monkeypatch: pytest.MonkeyPatch) -> None:
    seen = list[Tensor]()
    for stage in ("standard", "ordered"):
        task = VAETask(run, stage)
        train_pass = task.network.train_pass

        def noted(x: Tensor, lengths: Tensor, noise: Tensor, through: object = train_pass) -> object:
            seen.append(lengths)
            assert callable(through)
            return through(x, lengths, noise)

        monkeypatch.setattr(task.network, "train_pass", noted)
        for seed in (1, 1, 2):
            task.loss(torch.arange(300), seed)
        task.validate()
    standard, standard_validation, ordered, validation = seen[:3], seen[3], seen[4:7], seen[7]
    assert torch.unique(torch.cat([*standard, standard_validation])).tolist() == [LATENTS]
    assert torch.equal(ordered[0], ordered[1])
    assert not torch.equal(ordered[0], ordered[2])
    assert ordered[0].bincount(minlength=LATENTS + 1)[1:].min() > 300 / LATENTS / 2
    assert validation.bincount().tolist() == [0, *[10] * LATENTS]


def test_a_steps_draws_follow_from_its_seed(run: Run[VAERecipe]) -> None:
    task, rows = VAETask(run, "ordered"), torch.arange(40)
    first, again, other = (task.loss(rows, seed)[0].item() for seed in (1, 1, 2))
    assert first == again != other


def test_validation_does_not_depend_on_the_batch_it_runs_in(
    run: Run[VAERecipe], monkeypatch: pytest.MonkeyPatch
) -> None:
    task = VAETask(run, "ordered")
    task.network.eval()
    whole = task.validate()
    monkeypatch.setattr("training.baselines.vae.task.VALIDATION_BATCH", 7)
    assert task.validate() == pytest.approx(whole, rel=1e-5)


def test_errors_are_those_of_the_posteriors_mean(run: Run[VAERecipe]) -> None:
    vae, split = network(), run.dataset.test
    errors = errors_by_length(vae, split, mean_image(split.images), run.device)
    x = split.batch(slice(None), run.device)
    assert errors.shape == (30, LATENTS + 1)
    for n in (1, 4, LATENTS):
        rebuilt = vae.decode(vae.posterior(x).mean, torch.full((30,), n)).clamp(0, 1)
        expected = (rebuilt - x).square().flatten(1).sum(1)
        assert errors[:, n].tolist() == pytest.approx(expected.tolist(), rel=1e-4)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-50, 50), min_size=1, max_size=12, unique=True))
def test_rises_counts_pairs_in_the_wrong_order(values: list[int]) -> None:
    gained = torch.tensor(values, dtype=torch.float64)
    falling = gained.sort(descending=True).values
    assert rises(falling) == 0
    if len(values) > 1:
        assert rises(falling.flip(0)) == 1
        assert rises(gained) + rises(gained.flip(0)) == pytest.approx(1)
