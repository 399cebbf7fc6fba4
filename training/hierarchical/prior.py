"""The stage that trains the class-conditional prior over the topmost codes (section 7.3)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from models.hierarchical.losses import bits, prior_loss
from models.hierarchical.sampling import sample_symbols
from training.draws import drawn
from training.hierarchical.context import PRIOR, HierarchicalContext
from training.hierarchical.level import SHOWN_PLACES
from training.hierarchical.symbols import pictures
from training.loop import train
from training.progress import StageProgress, tile

SHOWN = 4  # samples of each label in a grid
MOST_LABELS = 20  # in a grid


def run(context: HierarchicalContext) -> None:
    """Train the prior and write its best epoch's weights."""
    train(context, PriorTask(context), context.recipe.stages.prior)


class PriorTask:
    """Trains the prior; some samples see the null label, so that it also learns to sample without one."""

    stage = PRIOR
    criterion = "bits"
    memory = None

    def __init__(self, context: HierarchicalContext) -> None:
        self.context = context
        self.settings = context.recipe.stages.prior
        self.network = context.new_prior()
        above = context.numbers.stop
        self.codes, self.held_out = context.symbols(above, "train"), context.symbols(above, "validation")
        self.examples = len(self.codes)
        self.codes_per_example = self.network.grid.symbols
        self.hierarchy = context.hierarchy(self.network)

    def start(self) -> None:
        """Fresh weights."""
        self.network.load_state_dict(self.context.new_prior().state_dict())

    def loss(self, rows: Tensor, seed: int) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Mean negative log-likelihood of a code, in nats; its part for the log in bits."""
        chances = drawn(len(rows), lambda count: torch.rand(count, generator=torch.Generator().manual_seed(seed)))
        labels = self.context.dataset.train.labels[rows]
        labels = labels.masked_fill(chances < self.settings.label_dropout, self.network.null_label)
        codes = self.codes.batch(rows, self.context.device)
        with self.context.autocast(self.settings):
            nats = prior_loss(self.network, codes, labels.to(codes.device))
        return nats, {"bits": bits(nats.detach())}

    def validate(self) -> Mapping[str, float]:
        """Bits of a held-out code, with labels (`bits`) and without."""
        labels = self.context.dataset.validation.labels
        null = torch.full_like(labels, self.network.null_label)
        return {"bits": self._mean_bits(labels), "unconditional": self._mean_bits(null)}

    def illustrate(self, progress: StageProgress, step: int) -> None:
        """A column of samples for each label: by auxiliary decoders, and below, of small pictures, drawn to the end."""
        config, seed = self.hierarchy.config, self.context.recipe.seed
        shown = range(min(len(self.context.recipe.labels), MOST_LABELS))
        labels = [label for _ in range(SHOWN) for label in shown]
        if config.pixels.places > SHOWN_PLACES:
            return  # minutes of drawing at every epoch's end
        drawn_ = sample_symbols(self.hierarchy, labels, seed, self.context.recipe.sampling)
        guessed = self.hierarchy.guess(drawn_[-1].to(self.context.device)).cpu()
        images = pictures(torch.cat([guessed, drawn_[0]]), config.pixels).float() / 255
        progress.image("samples", tile(images.numpy(), len(shown)), step)

    def _mean_bits(self, labels: Tensor) -> float:
        processes, batch, total = self.context.processes, self.settings.batch, 0.0
        for start in processes.deal(range(0, len(self.held_out), batch)):
            rows = slice(start, start + batch)
            codes = self.held_out.batch(rows, self.context.device)
            nats = prior_loss(self.network, codes, labels[rows].to(codes.device))
            total += bits(nats).item() * len(codes)
        return processes.sum(torch.tensor(total, dtype=torch.float64)).item() / len(self.held_out)
