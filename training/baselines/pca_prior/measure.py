"""Measuring the two models of appendix D on the same test images."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from models.config import TransformerConfig
from models.prior import Prior
from training.baselines.facts import data_facts
from training.baselines.options import PCAPriorRecipe
from training.baselines.pca_prior.report import PCAPriorReport, SpaceFacts
from training.baselines.pca_prior.sampling import sample
from training.baselines.pca_prior.spaces import Space
from training.baselines.pca_prior.task import (
    STAGES,
    Stage,
    bits,
    new_network,
    noise_for,
    pictures,
    settings_of,
    space_of,
)
from training.checkpoint import load_checkpoint
from training.context import Run
from training.evaluation.claims import above
from training.evaluation.intervals import mean_estimate
from training.evaluation.pictures import sheet
from training.evaluation.versions import versions
from training.files import write_atomically

SAMPLES = "samples.png"
# Appendix E: the Transformer of all data sets, and its epochs on MNIST. Appendix D says nothing else.
PAPER = TransformerConfig(layers=6, width=512, feed_forward=2048, heads=8)
PAPER_EPOCHS = 50
PAPER_SHAPE = (1, 28, 28)
PAPER_IMAGES = 50_000  # of MNIST's 60,000 some are held out in any case


class Trained(NamedTuple):
    """A model of one space, with the validation loss of its best epoch in bits per dim."""

    space: Space
    network: Prior
    validation: float


class Measured(NamedTuple):
    """Bits of every number of every test image, (N, D), by the model and by its place alone."""

    bits: Tensor
    marginal: Tensor


def load(run: Run[PCAPriorRecipe], stage: Stage) -> Trained:
    """A trained model, in evaluation mode."""
    space = space_of(run, stage)
    network = new_network(run, space)
    tensors, facts = load_checkpoint(run.weights_path(stage))
    network.load_state_dict(tensors)
    return Trained(space, network.eval(), facts["loss"])


def evaluate(run: Run[PCAPriorRecipe]) -> PCAPriorReport:
    """Measure both models on the test images, and draw samples of both."""
    recipe = run.recipe
    test = run.dataset.test.take(slice(recipe.evaluate.images))
    trained = {stage: load(run, stage) for stage in STAGES}
    measured = {stage: _measure(run, model, pictures(run, test)) for stage, model in trained.items()}
    facts = {stage: _facts(trained[stage], measured[stage]) for stage in STAGES}
    excess = mean_estimate((measured["coefficients"].bits - measured["pixels"].bits).mean(1))
    _draw(run, trained)
    return PCAPriorReport(
        recipe=recipe.model_dump(mode="json"),
        data=data_facts(run.dataset, test),
        shape=recipe.shape,
        pixels=facts["pixels"],
        coefficients=facts["coefficients"],
        excess=excess,
        reduced=_reduced(run),
        claims=(above("pixels_better", "Pixels take fewer bits per dim than their principal components.", (excess,)),),
        versions=versions(),
    )


@torch.inference_mode()
def _measure(run: Run[PCAPriorRecipe], model: Trained, images: Tensor) -> Measured:
    encoded = model.space.encode(images, noise_for(run, images, "test"))
    marginal = model.space.marginal_bits(pictures(run, run.dataset.train), encoded)
    return Measured(bits(model.network, encoded), marginal)


def _facts(model: Trained, measured: Measured) -> SpaceFacts:
    return SpaceFacts(
        symbols=model.space.symbols,
        bits_per_dim=mean_estimate(measured.bits.mean(1)),
        marginal_bits_per_dim=mean_estimate(measured.marginal.mean(1)),
        bits_by_position=tuple(measured.bits.mean(0).tolist()),
        validation_bits_per_dim=model.validation,
    )


def _draw(run: Run[PCAPriorRecipe], trained: dict[Stage, Trained]) -> None:
    """Write a row of samples of each model, below one of training pictures."""
    count, shape = run.recipe.evaluate.samples, run.recipe.shape
    rows = [pictures(run, run.dataset.train.take(slice(count)))]
    rows += [model.space.decode(sample(model.network, count, run.recipe.seed)) for model in trained.values()]
    images = torch.stack([row.view(count, *shape) for row in rows])
    write_atomically(run.evaluation_directory / SAMPLES, sheet(images, ("training", *STAGES), ()))


def _reduced(run: Run[PCAPriorRecipe]) -> tuple[str, ...]:
    """In what a run is smaller than the paper's, as sentences."""
    recipe, prior = run.recipe, run.recipe.prior
    said = []
    if recipe.shape != PAPER_SHAPE:
        said.append(f"pictures of {list(recipe.shape)} instead of {list(PAPER_SHAPE)}")
    if (prior.kind, prior.layers, prior.width) != (PAPER.kind, PAPER.layers, PAPER.width):
        said.append(
            f"a {prior.kind} of {prior.layers} layers and width {prior.width} instead of one of {PAPER.layers} and "
            f"{PAPER.width}"
        )
    epochs = {stage: settings_of(run, stage).epochs for stage in STAGES}
    said += [f"{n} epochs on {stage} instead of {PAPER_EPOCHS}" for stage, n in epochs.items() if n < PAPER_EPOCHS]
    if (images := len(run.dataset.train)) < PAPER_IMAGES:
        said.append(f"{images:,} training images instead of at least {PAPER_IMAGES:,}")
    return tuple(said)
