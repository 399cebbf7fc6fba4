"""Training one VAE of Fig. 7: at full length, or with random prefixes by Eq. (13)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

import torch
from torch import Tensor

from models.truncation import sample_lengths
from training.baselines.options import OrderedVAEStage, VAERecipe, VAEStage
from training.baselines.vae.network import VAE
from training.context import Run
from training.draws import drawn
from training.progress import StageProgress, tile
from training.seeds import derive_seed, generator
from training.truncation import length_shares

Stage = Literal["standard", "ordered"]
STAGES: tuple[Stage, ...] = get_args(Stage)
VALIDATION_BATCH = 500
SHOWN = 16  # images in a reconstruction grid


def new_network(run: Run[VAERecipe]) -> VAE:
    """An untrained VAE of the recipe's shape, on the run's device."""
    return VAE(run.recipe.network, run.recipe.media).to(run.device)


def settings_of(run: Run[VAERecipe], stage: Stage) -> VAEStage:
    """How a stage trains."""
    return run.recipe.stages.standard if stage == "standard" else run.recipe.stages.ordered


class VAETask:
    """Trains a VAE from fresh weights; the best epoch is the one with the lowest loss on held-out images."""

    criterion = "loss"
    memory = None

    def __init__(self, run: Run[VAERecipe], stage: Stage) -> None:
        self.stage = stage
        self.run = run
        self.network = new_network(run)
        self.examples = len(run.dataset.train)
        self.latents = self.codes_per_example = run.recipe.network.latents
        self.settings = settings = settings_of(run, stage)
        self.kl = settings.kl
        self.shares = (
            length_shares(settings.truncation, self.latents) if isinstance(settings, OrderedVAEStage) else None
        )
        # The same at every epoch, so that epochs are compared by their weights alone.
        draws = generator(run.recipe.seed, stage, "validation noise")
        self.noise = torch.randn(len(run.dataset.validation), self.latents, generator=draws)

    def start(self) -> None:
        """Fresh weights."""
        self.network.load_state_dict(new_network(self.run).state_dict())

    def loss(self, rows: Tensor, seed: int) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Eq. (13) on one batch, with one draw of z and of the length for each image."""
        x = self.run.dataset.train.batch(rows, self.run.device)
        noise = drawn(len(rows), lambda count: self._noise(count, seed))
        lengths = drawn(len(rows), lambda count: self._lengths(count, seed))
        with self.run.autocast(self.settings):
            losses = self.network.train_pass(x, lengths.to(x.device), noise.to(x.device))
        parts = {"reconstruction": losses.reconstruction.detach(), "divergence": losses.divergence.detach()}
        return losses.reconstruction + self.kl * losses.divergence, parts

    def validate(self) -> Mapping[str, float]:
        """The stage's own loss; ordered, image j is cut to j mod K + 1 latents, so that every length counts equally."""
        split = self.run.dataset.validation
        sums = torch.zeros(2, dtype=torch.float64)
        for start in range(0, len(split), VALIDATION_BATCH):
            rows = slice(start, start + VALIDATION_BATCH)
            x = split.batch(rows, self.run.device)
            ordinal = torch.arange(start, start + len(x))
            ordered = self.shares is not None
            lengths = ordinal % self.latents + 1 if ordered else torch.full_like(ordinal, self.latents)
            losses = self.network.train_pass(x, lengths.to(x.device), self.noise[rows].to(x.device))
            sums += len(x) * torch.stack(losses).cpu()
        reconstruction, divergence = (sums / len(split)).tolist()
        loss = reconstruction + self.kl * divergence
        return {"loss": loss, "reconstruction": reconstruction, "divergence": divergence}

    def illustrate(self, progress: StageProgress, step: int) -> None:
        """One row of held-out images, then their reconstructions from 1, 1/4, 1/2, 3/4 and all latents."""
        x = self.run.dataset.validation.batch(slice(SHOWN), self.run.device)
        means = self.network.encode_codes(x)
        lengths = sorted({1, *(max(1, self.latents * quarter // 4) for quarter in (1, 2, 3, 4))})
        rows = [self.network.decode_codes(means, torch.full((len(x),), n, device=x.device)) for n in lengths]
        progress.image("reconstructions", tile(torch.cat([x, *rows]).cpu().numpy(), len(x)), step)

    def _noise(self, count: int, seed: int) -> Tensor:
        draws = torch.Generator().manual_seed(derive_seed(seed, "posterior"))
        return torch.randn(count, self.latents, generator=draws)

    def _lengths(self, count: int, seed: int) -> Tensor:
        """How many latents each of so many examples keeps, (count,) int64."""
        if self.shares is None:
            return torch.full((count,), self.latents)
        return sample_lengths(count, self.shares, torch.Generator().manual_seed(seed))
