"""Training one of the two models of appendix D: over pixels, or over their principal components."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from models.prior import Prior, build_prior
from training.baselines.options import PCAPriorRecipe
from training.baselines.pca_prior.sampling import sample
from training.baselines.pca_prior.spaces import Encoded, PixelSpace, Space, fit_coefficients, shrink
from training.context import Run
from training.data.dataset import Split
from training.data.fetching import fetching
from training.draws import drawn
from training.options import Optimisation
from training.progress import StageProgress, tile
from training.seeds import generator

Stage = Literal["pixels", "coefficients"]
STAGES: tuple[Stage, ...] = get_args(Stage)
BATCH = 100  # of images when nothing is learnt: 784 positions of 256 logits are 80 MB
SHOWN = 20


def settings_of(run: Run[PCAPriorRecipe], stage: Stage) -> Optimisation:
    """How a stage trains."""
    return run.recipe.stages.pixels if stage == "pixels" else run.recipe.stages.coefficients


def pictures(run: Run[PCAPriorRecipe], split: Split) -> Tensor:
    """A split's pictures as they are learnt: made smaller and flat, (N, D) uint8."""
    return shrink(split.images, run.recipe.shrink).flatten(1)


def noise_for(run: Run[PCAPriorRecipe], images: Tensor, *place: str | int) -> Tensor:
    """Uniform noise in [0, 1) that makes the pictures (N, D) of one place in the run continuous."""
    return torch.rand(images.shape, generator=generator(run.recipe.seed, "noise", *place))


def space_of(run: Run[PCAPriorRecipe], stage: Stage) -> Space:
    """The numbers that a stage's model predicts; bins and components follow from the training pictures and the seed."""
    if stage == "pixels":
        return PixelSpace()
    images = pictures(run, run.dataset.train)
    return fit_coefficients(images, noise_for(run, images, "bins"), run.recipe.bins)


def new_network(run: Run[PCAPriorRecipe], space: Space) -> Prior:
    """An untrained model of the recipe's shape, without labels, on the run's device."""
    return build_prior(run.recipe.prior, math.prod(run.recipe.shape), space.symbols, labels=0).to(run.device)


def bits(network: Prior, encoded: Encoded) -> Tensor:
    """-log2 p(y_i | y_<i) for every number, (B, D) float64 on the host."""
    parts = []
    for symbols in torch.split(encoded.symbols, BATCH):
        nats = negative_log_likelihood(network, symbols)
        parts.append(nats.double().cpu() / math.log(2))
    return torch.cat(parts) + encoded.inside


def negative_log_likelihood(network: Prior, symbols: Tensor) -> Tensor:
    """-log P(b_i | b_<i) in nats of symbols (B, D), on the network's device."""
    symbols = symbols.to(network.device)
    unlabelled = torch.full((len(symbols),), network.null_label, device=network.device)
    logits: Tensor = network(symbols, unlabelled)
    return cross_entropy(logits.flatten(0, 1).float(), symbols.flatten(), reduction="none").view_as(symbols)


class DensityTask:
    """Trains a model of one space, with fresh noise at every step."""

    criterion = "bits per dim"
    memory = None

    def __init__(self, run: Run[PCAPriorRecipe], stage: Stage) -> None:
        self.stage = stage
        self.run = run
        self.space = space_of(run, stage)
        self.network = new_network(run, self.space)
        self.images = pictures(run, run.dataset.train)
        self.examples, self.codes_per_example = self.images.shape
        held_out = pictures(run, run.dataset.validation)
        self.held_out = self.space.encode(held_out, noise_for(run, held_out, "validation"))

    def start(self) -> None:
        """Fresh weights."""
        self.network.load_state_dict(new_network(self.run, self.space).state_dict())

    def loss(self, rows: Tensor, seed: int) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Mean negative log-likelihood of a symbol, in nats; what lies inside the bins teaches nothing."""
        with fetching():
            images = self.images[rows]
        pixels = images.shape[1]
        noise = drawn(
            len(images), lambda count: torch.rand(count, pixels, generator=torch.Generator().manual_seed(seed))
        )
        symbols = self.space.encode(images, noise).symbols
        with self.run.autocast(getattr(self.run.recipe.stages, self.stage)):
            return negative_log_likelihood(self.network, symbols).mean(), {}

    def validate(self) -> Mapping[str, float]:
        """Bits per dim of the held-out pictures."""
        return {self.criterion: bits(self.network, self.held_out).mean().item()}

    def illustrate(self, progress: StageProgress, step: int) -> None:
        """A row of samples."""
        drawn = self.space.decode(sample(self.network, SHOWN, self.run.recipe.seed))
        images = drawn.view(SHOWN, *self.run.recipe.shape).numpy() / 255
        progress.image("samples", tile(images.astype("float32"), SHOWN // 2), step)
