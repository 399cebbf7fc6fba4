"""The first two stages: the autoencoder at full length, Eq. (5), then the same autoencoder ordered, Eq. (6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from models.truncation import prefix_mask, sample_lengths
from training.checkpoint import load_tensors
from training.codebook import MovingCodebook, estimator_of
from training.context import RunContext
from training.loop import train
from training.options import AutoencoderStage, OrderedStage
from training.progress import StageProgress, tile
from training.seeds import generator, shuffled
from training.truncation import length_shares

VALIDATION_BATCH = 500
CODEBOOK_IMAGES = 2048  # images whose encodings seed the codebook, if there are as many and no more are needed
SHOWN = 16  # images in a reconstruction grid


def run(context: RunContext, stage: Literal["autoencoder", "ordered"]) -> None:
    """Train one of the two stages and write its best epoch's weights."""
    train(context, AutoencoderTask(context, stage), _settings(context, stage))


class AutoencoderTask:
    """Trains the autoencoder: every length K in stage `autoencoder`, by the recipe's truncation in stage `ordered`.

    The best epoch is the one that reconstructs held-out images best, not the one with the lowest sum of Eq. (6): as the
    code vectors grow apart the two quantisation terms rise, and the sum with them, while reconstructions still improve.
    """

    criterion = "reconstruction"

    def __init__(self, context: RunContext, stage: Literal["autoencoder", "ordered"]) -> None:
        self.stage = stage
        self.context = context
        self.network = context.new_autoencoder()
        self.examples = len(context.dataset.train)
        self.codes = self.codes_per_example = context.recipe.autoencoder.codes
        settings = _settings(context, stage)
        self.commitment = settings.commitment
        codebook = context.recipe.codebook
        self.estimator = estimator_of(codebook)
        averages = codebook.learning == "average"
        self.memory = MovingCodebook(self.network.quantiser.codebook.data, codebook) if averages else None
        self.shares = length_shares(settings.truncation, self.codes) if isinstance(settings, OrderedStage) else None

    def start(self) -> None:
        """Fresh weights with a codebook placed on their output, or the full-length autoencoder's."""
        context = self.context
        if self.stage == "ordered":
            self.network.load_state_dict(load_tensors(context.weights_path("autoencoder")))
            return
        # Built again, because the weights must follow from the seed and not from what was drawn before.
        self.network.load_state_dict(context.new_autoencoder().state_dict())
        images = max(CODEBOOK_IMAGES, -(-context.recipe.autoencoder.codebook // self.codes))
        rows = shuffled(self.examples, context.recipe.seed, "codebook images")[:images]
        x = context.dataset.train.batch(rows, context.device)
        self.network.initialise_codebook(x, generator(context.recipe.seed, "codebook"))

    def loss(self, rows: Tensor, seed: int) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Eq. (5) or Eq. (6) on one batch."""
        x = self.context.dataset.train.batch(rows, self.context.device)
        if self.shares is None:
            lengths = torch.full((len(rows),), self.codes)
        else:
            lengths = sample_lengths(len(rows), self.shares, torch.Generator().manual_seed(seed))
        lengths = lengths.to(x.device)
        done = self.network.train_pass(x, lengths, self.commitment, self.estimator)
        losses = done.losses
        if self.memory:
            losses = losses._replace(codebook=torch.zeros_like(losses.codebook))
            kept = prefix_mask(lengths, self.codes)
            self.memory.update(done.z[kept], done.indices[kept], seed)
        return losses.total, {"reconstruction": losses.reconstruction.detach()}

    def validate(self) -> Mapping[str, float]:
        """The stage's own loss; ordered, image j is cut to j mod K + 1 codes, so that every length counts equally."""
        split = self.context.dataset.validation
        sums = torch.zeros(3, dtype=torch.float64)
        used = torch.zeros(self.context.recipe.autoencoder.codebook, dtype=torch.bool)
        for start in range(0, len(split), VALIDATION_BATCH):
            x = split.batch(slice(start, start + VALIDATION_BATCH), self.context.device)
            ordinal = torch.arange(start, start + len(x))
            lengths = ordinal % self.codes + 1 if self.stage == "ordered" else torch.full_like(ordinal, self.codes)
            losses = self.network.train_pass(x, lengths.to(x.device), self.commitment).losses
            sums += len(x) * torch.stack(losses).cpu()
            used[self.network.encode_codes(x).cpu().flatten()] = True
        reconstruction, codebook, commitment = (sums / len(split)).tolist()
        return {
            "loss": reconstruction + codebook + commitment,
            "reconstruction": reconstruction,
            "codebook use": used.double().mean().item(),
        }

    def illustrate(self, progress: StageProgress, step: int) -> None:
        """One row of held-out images, then their reconstructions from 1, 1/4, 1/2, 3/4 and all codes."""
        x = self.context.dataset.validation.batch(slice(SHOWN), self.context.device)
        codes = self.network.encode_codes(x)
        lengths = sorted({1, *(max(1, self.codes * quarter // 4) for quarter in (1, 2, 3, 4))})
        rows = [self.network.decode_codes(codes, torch.full((len(x),), n, device=x.device)) for n in lengths]
        progress.image("reconstructions", tile(torch.cat([x, *rows]).cpu().numpy(), len(x)), step)


def _settings(context: RunContext, stage: Literal["autoencoder", "ordered"]) -> AutoencoderStage:
    stages = context.recipe.stages
    if stage == "autoencoder":
        return stages.autoencoder
    if stages.ordered is None:
        raise ValueError("the recipe has no stage that orders the codes")
    return stages.ordered
