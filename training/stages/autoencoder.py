"""The first two stages: the autoencoder at full length, Eq. (5), then the same autoencoder ordered, Eq. (6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, cast

import torch
from torch import Tensor

from models.autoencoder import OrderedVQVAE
from models.build import Autoencoder
from models.residual import ResidualAutoencoder
from models.truncation import prefix_mask, sample_lengths
from training.audio.distance import LogMelDistance
from training.audio.pictures import as_pictures
from training.checkpoint import load_tensors
from training.codebook import MovingCodebook, estimator_of
from training.context import RunContext
from training.draws import drawn
from training.loop import train
from training.options import AutoencoderStage, OrderedStage, Truncation
from training.progress import StageProgress, tile
from training.seeds import generator, shuffled
from training.truncation import length_shares

VALIDATION_BATCH = 500
CODEBOOK_IMAGES = 2048  # images whose encodings seed the codebook, if there are as many and no more are needed
SHOWN = 16  # images in a reconstruction grid


def run(context: RunContext, stage: Literal["autoencoder", "ordered"]) -> None:
    """Train one of the two stages and write its best epoch's weights."""
    residual = context.recipe.autoencoder.kind == "residual"
    task = ResidualTask(context, stage) if residual else AutoencoderTask(context, stage)
    train(context, task, _settings(context, stage))


class AutoencoderTask:
    """Trains the autoencoder: every length K in stage `autoencoder`, by the recipe's truncation in stage `ordered`.

    The best epoch is the one that reconstructs held-out images best, not the one with the lowest sum of Eq. (6): as the
    code vectors grow apart the two quantisation terms rise, and the sum with them, while reconstructions still improve.
    Where the recipe adds a distance of spectrograms, it counts with its weight.
    """

    def __init__(self, context: RunContext, stage: Literal["autoencoder", "ordered"]) -> None:
        self.stage = stage
        self.context = context
        self.network = cast("OrderedVQVAE", context.new_autoencoder())
        self.examples = len(context.dataset.train)
        self.codes = self.codes_per_example = context.recipe.autoencoder.codes
        self.settings = settings = _settings(context, stage)
        self.commitment, self.spectral = settings.commitment, settings.spectral
        self.distance = LogMelDistance(context.recipe.media).to(context.device) if self.spectral else None
        self.criterion = "distortion" if self.distance else "reconstruction"
        codebook = context.recipe.codebook
        self.estimator = estimator_of(codebook)
        averages = codebook.learning == "average"
        entries = self.network.quantiser.codebook.data
        self.memory = MovingCodebook(entries, codebook, context.processes) if averages else None
        truncation = settings.truncation if isinstance(settings, OrderedStage) else None
        self.shares = length_shares(truncation, self.codes) if truncation else None
        self.shortest = min(truncation.shortest, self.codes) if truncation else self.codes

    def start(self) -> None:
        """Fresh weights with a codebook placed on their output, or the full-length autoencoder's."""
        context = self.context
        if self.stage == "ordered":
            self.network.load_state_dict(load_tensors(context.weights_path("autoencoder")))
            return
        # Built again, because the weights must follow from the seed and not from what was drawn before.
        self.network.load_state_dict(context.new_autoencoder().state_dict())
        x = _codebook_images(context, -(-context.recipe.autoencoder.codebook // self.codes))
        self.network.initialise_codebook(x, generator(context.recipe.seed, "codebook"))

    def loss(self, rows: Tensor, seed: int) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Eq. (5) or Eq. (6) on one batch."""
        x = self.context.dataset.train.batch(rows, self.context.device)
        lengths = drawn(len(rows), lambda count: self._lengths(count, seed)).to(x.device)
        with self.context.autocast(self.settings):
            done = self.network.train_pass(x, lengths, self.commitment, self.estimator)
        losses = done.losses
        if self.memory:
            losses = losses._replace(codebook=torch.zeros_like(losses.codebook))
            kept = prefix_mask(lengths, self.codes)
            self.memory.observe(done.z[kept], done.indices[kept])
        parts = {"reconstruction": losses.reconstruction.detach()}
        if self.distance is None:
            return losses.total, parts
        distance = self.distance(done.output, x).mean()
        return losses.total + self.spectral * distance, {**parts, "spectral": distance.detach()}

    def validate(self) -> Mapping[str, float]:
        """The stage's own loss; image j is cut to one of the lengths that are trained, in turn, all K if unordered."""
        split = self.context.dataset.validation
        sums = torch.zeros(4, dtype=torch.float64)
        used = torch.zeros(self.context.recipe.autoencoder.codebook, dtype=torch.bool)
        processes = self.context.processes
        for start in processes.deal(range(0, len(split), VALIDATION_BATCH)):
            x = split.batch(slice(start, start + VALIDATION_BATCH), self.context.device)
            ordinal = torch.arange(start, start + len(x))
            lengths = ordinal % (self.codes - self.shortest + 1) + self.shortest
            done = self.network.train_pass(x, lengths.to(x.device), self.commitment)
            distance = self.distance(done.output, x).mean() if self.distance else x.new_zeros(())
            sums += len(x) * torch.stack([*done.losses, distance]).cpu()
            used[self.network.encode_codes(x).cpu().flatten()] = True
        reconstruction, codebook, commitment, spectral = (processes.sum(sums) / len(split)).tolist()
        used = processes.sum(used.long()) > 0
        distortion = reconstruction + self.spectral * spectral
        values = {
            "loss": distortion + codebook + commitment,
            "reconstruction": reconstruction,
            "codebook use": used.double().mean().item(),
        }
        return values if self.distance is None else {**values, "spectral": spectral, "distortion": distortion}

    def illustrate(self, progress: StageProgress, step: int) -> None:
        """One row of held-out samples, then their reconstructions from 1, 1/4, 1/2, 3/4 and all codes."""
        _show_reconstructions(self.context, self.network, progress, step)

    def _lengths(self, count: int, seed: int) -> Tensor:
        """How many codes each of so many examples keeps, (count,) int64."""
        if self.shares is None:
            return torch.full((count,), self.codes)
        return sample_lengths(count, self.shares, torch.Generator().manual_seed(seed))


class ResidualTask:
    """Trains the residual autoencoder by its error after every code at once, weighted by the recipe's truncation.

    In stage `autoencoder` only the error after all K codes counts.
    """

    criterion = "reconstruction"
    memory = None

    def __init__(self, context: RunContext, stage: Literal["autoencoder", "ordered"]) -> None:
        self.stage = stage
        self.context = context
        self.network = cast("ResidualAutoencoder", context.new_autoencoder())
        self.examples = len(context.dataset.train)
        self.codes_per_example = codes = context.recipe.autoencoder.codes
        settings = _settings(context, stage)
        # How much the error after each of the K codes counts, (K,); held out, all of these equally.
        if isinstance(settings, OrderedStage):
            shares = length_shares(settings.truncation, codes)
            judged = length_shares(Truncation(shortest=settings.truncation.shortest), codes).float()
        else:
            shares = judged = torch.nn.functional.one_hot(torch.tensor(codes - 1), codes)
        self.shares, self.judged = shares.float().to(context.device), judged.double()

    def start(self) -> None:
        """Fresh weights placed on the data, or the full-length autoencoder's if the recipe has one."""
        context = self.context
        if self.stage == "ordered" and context.recipe.stages.autoencoder is not None:
            self.network.load_state_dict(load_tensors(context.weights_path("autoencoder")))
            return
        self.network.load_state_dict(context.new_autoencoder().state_dict())
        x = _codebook_images(context, context.recipe.autoencoder.codebook)
        self.network.initialise(x, generator(context.recipe.seed, "codebook"))

    def loss(self, rows: Tensor, seed: int) -> tuple[Tensor, Mapping[str, Tensor]]:  # noqa: ARG002 - nothing is drawn
        """The expectation of Eq. (6)'s first term over the truncation index, on one batch."""
        x = self.context.dataset.train.batch(rows, self.context.device)
        loss = (self.network.errors(x) @ self.shares).mean()
        return loss, {"reconstruction": loss.detach()}

    def validate(self) -> Mapping[str, float]:
        """Mean error over the lengths that count, and over complete codes."""
        split = self.context.dataset.validation
        total = torch.zeros(self.codes_per_example, dtype=torch.float64)
        used = torch.zeros(self.context.recipe.autoencoder.codebook, dtype=torch.bool)
        processes = self.context.processes
        for start in processes.deal(range(0, len(split), VALIDATION_BATCH)):
            x = split.batch(slice(start, start + VALIDATION_BATCH), self.context.device)
            total += self.network.errors(x).sum(0).double().cpu()
            used[self.network.encode_codes(x).cpu().flatten()] = True
        errors = processes.sum(total) / len(split)
        used = processes.sum(used.long()) > 0
        return {
            "reconstruction": (errors @ self.judged).item(),
            "from all codes": errors[-1].item(),
            "codebook use": used.double().mean().item(),
        }

    def illustrate(self, progress: StageProgress, step: int) -> None:
        """As `AutoencoderTask.illustrate`."""
        _show_reconstructions(self.context, self.network, progress, step)


def _codebook_images(context: RunContext, fewest: int) -> Tensor:
    """Training images from which a codebook is placed: `fewest` at least, if there are as many."""
    images = max(CODEBOOK_IMAGES, fewest)
    rows = shuffled(len(context.dataset.train), context.recipe.seed, "codebook images")[:images]
    return context.dataset.train.batch(rows, context.device)


def _show_reconstructions(context: RunContext, network: Autoencoder, progress: StageProgress, step: int) -> None:
    x = context.dataset.validation.batch(slice(SHOWN), context.device)
    indices, codes = network.encode_codes(x), network.config.codes
    lengths = sorted({1, *(max(1, codes * quarter // 4) for quarter in (1, 2, 3, 4))})
    rows = [network.decode_codes(indices, torch.full((len(x),), n, device=x.device)) for n in lengths]
    progress.image("reconstructions", tile(as_pictures(torch.cat([x, *rows]), context.recipe.media), len(x)), step)


def _settings(context: RunContext, stage: Literal["autoencoder", "ordered"]) -> AutoencoderStage:
    stages = context.recipe.stages
    settings = stages.autoencoder if stage == "autoencoder" else stages.ordered
    if settings is None:
        what = "trains the autoencoder at full length" if stage == "autoencoder" else "orders the codes"
        raise ValueError(f"the recipe has no stage that {what}")
    return settings
