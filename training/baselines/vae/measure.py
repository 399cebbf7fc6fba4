"""Measuring the two VAEs of Fig. 7 beside PCA."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from training.baselines.facts import data_facts
from training.baselines.options import VAERecipe
from training.baselines.vae.network import VAE
from training.baselines.vae.report import VAEFacts, VAEReport
from training.baselines.vae.task import Stage, new_network
from training.checkpoint import load_tensors
from training.context import Run
from training.data.dataset import Split
from training.evaluation import pca
from training.evaluation.claims import above
from training.evaluation.intervals import Estimate, means
from training.evaluation.reconstruction import curve, errors_by_length, gains
from training.evaluation.report import Claim
from training.evaluation.versions import versions
from training.seeds import generator

BATCH = 500
RESAMPLES = 200
SLACK = 0.01  # nats; latents that carry nothing differ by less, in no order


class Measured(NamedTuple):
    """One VAE on every test image.

    Attributes:
        errors: (N, K + 1) squared errors, n = 0 .. K.
        divergence: (N, K) KL(q(z_i | x) || p(z_i)), nats.
    """

    errors: Tensor
    divergence: Tensor


def evaluate(run: Run[VAERecipe]) -> VAEReport:
    """Measure both VAEs and PCA on the test images."""
    recipe, train = run.recipe, run.dataset.train
    test = run.dataset.test.take(slice(recipe.evaluate.images))
    components = pca.fit(train.images, recipe.network.latents)
    linear = components.errors(test.images, clamp=True)
    constant = pca.mean_image(train.images)
    ordered, standard = (_measure(run, stage, test, constant) for stage in ("ordered", "standard"))
    pixels = test.images[0].numel()
    return VAEReport(
        recipe=recipe.model_dump(mode="json"),
        data=data_facts(run.dataset, test),
        latents=recipe.network.latents,
        ordered=_facts(ordered, pixels),
        standard=_facts(standard, pixels),
        pca_clamped=curve(linear, pixels),
        pca_rises=rises(gains(linear).mean(0)),
        below_standard=means((standard.errors - ordered.errors)[:, 1:]),
        below_pca=means((linear - ordered.errors)[:, 1:]),
        claims=_claims(ordered, standard, linear, recipe.seed),
        versions=versions(),
    )


def load(run: Run[VAERecipe], stage: Stage) -> VAE:
    """A trained VAE, in evaluation mode."""
    network = new_network(run)
    network.load_state_dict(load_tensors(run.weights_path(stage)))
    return network.eval()


def rises(gained: Tensor) -> float:
    """Share of the pairs i < j with gained[i] < gained[j], of (K,); 0 for a falling sequence, and for one of one."""
    first, second = torch.triu_indices(len(gained), len(gained), offset=1)
    return (gained[first] < gained[second]).double().mean().item() if len(first) else 0.0


@torch.inference_mode()
def _measure(run: Run[VAERecipe], stage: Stage, test: Split, constant: Tensor) -> Measured:
    network = load(run, stage)
    batches = (slice(start, start + BATCH) for start in range(0, len(test), BATCH))
    divergence = [network.posterior(test.batch(rows, run.device)).divergence.cpu() for rows in batches]
    return Measured(errors_by_length(network, test, constant, run.device), torch.cat(divergence).double())


def _facts(measured: Measured, pixels: int) -> VAEFacts:
    return VAEFacts(
        curve=curve(measured.errors, pixels),
        rises=rises(gains(measured.errors).mean(0)),
        divergence=means(measured.divergence),
    )


def _claims(ordered: Measured, standard: Measured, linear: Tensor, seed: int) -> tuple[Claim, ...]:
    """What Fig. 7 is said to show, and Theorem 1 by the bound that a VAE has for it."""
    latents = ordered.divergence.shape[1]
    short = max(1, latents // 4)
    return (
        above(
            "more_in_order",
            "Of the ordered VAE fewer pairs of latents are in the wrong order of Δ(i) than of the standard one.",
            (_fewer_rises(ordered.errors, standard.errors, seed),),
        ),
        above(
            "gains_fall",
            "In the ordered VAE every latent adds less than the one before: Δ(i) falls with i.",
            means(-gains(ordered.errors).diff(dim=1)),
        ),
        above(
            "below_standard",
            "Cut to n latents the ordered VAE's mean error is below the standard one's, n = 1 .. K - 1.",
            means((standard.errors - ordered.errors)[:, 1:-1]),
        ),
        above(
            "below_pca",
            "With n latents the ordered VAE's mean error is below that of n principal components, n = 1 .. K.",
            means((linear - ordered.errors)[:, 1:]),
        ),
        above(
            "pca_below_standard",
            "Cut to a quarter of its latents or fewer, the standard VAE is worse than as many principal components.",
            means((standard.errors - linear)[:, 1 : short + 1]),
        ),
        above(
            "theorem_1",
            "In the ordered VAE the divergence of a latent, at least its I(z_i; x | z_<i), does not grow with i from "
            f"the second on (by more than {SLACK} nats).",
            means(-ordered.divergence[:, 1:].diff(dim=1)),
            threshold=-SLACK,
        ),
    )


def _fewer_rises(ordered: Tensor, standard: Tensor, seed: int) -> Estimate:
    """How much smaller `rises` is for the ordered VAE, with the interval of a bootstrap over the images."""
    pairs = (gains(standard), gains(ordered))
    count = len(ordered)
    draws = torch.randint(count, (RESAMPLES, count), generator=generator(seed, "evaluation", "bootstrap"))
    differences = []
    for rows in draws:
        resampled = [rises(gained[rows].mean(0)) for gained in pairs]
        differences.append(resampled[0] - resampled[1])
    low, high = torch.tensor(differences, dtype=torch.float64).quantile(torch.tensor([0.025, 0.975]).double()).tolist()
    value = rises(pairs[0].mean(0)) - rises(pairs[1].mean(0))
    return Estimate(value=value, low=min(low, value), high=max(high, value))
