"""The stage that trains the prior: cross entropy on complete codes, teacher-forced (sections 3.2 and E.1)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from models.runtime.executors import build_model
from models.runtime.protocol import SampleRequest
from training.audio.pictures import as_pictures
from training.context import RunContext
from training.data.fetching import fetching
from training.draws import drawn
from training.loop import train
from training.progress import StageProgress, tile
from training.state import TrainedStage

VALIDATION_BATCH = 500
SHOWN = 4  # samples of each label in a grid


def run(context: RunContext) -> None:
    """Train the prior and write its best epoch's weights."""
    train(context, PriorTask(context), context.recipe.stages.prior)


class PriorTask:
    """Trains the prior; some samples see the null label, so that it also learns to sample without one."""

    stage: TrainedStage = "prior"
    criterion = "loss"
    memory = None

    def __init__(self, context: RunContext) -> None:
        self.context = context
        self.network = context.new_prior()
        self.autoencoder = context.autoencoder()
        self.codes, self.held_out = context.codes("train"), context.codes("validation")
        self.examples = len(self.codes)
        self.codes_per_example = context.recipe.autoencoder.codes
        self.label_dropout = context.recipe.stages.prior.label_dropout

    def start(self) -> None:
        """Fresh weights."""
        self.network.load_state_dict(self.context.new_prior().state_dict())

    def loss(self, rows: Tensor, seed: int) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Mean negative log-likelihood of a code, in nats."""
        chances = drawn(len(rows), lambda count: torch.rand(count, generator=torch.Generator().manual_seed(seed)))
        dropped = chances < self.label_dropout
        with fetching():
            codes, labels = self.codes[rows], self.context.dataset.train.labels[rows]
        labels = labels.masked_fill(dropped, self.network.null_label)
        with self.context.autocast(self.context.recipe.stages.prior):
            return self._nll(codes, labels), {}

    def validate(self) -> Mapping[str, float]:
        """Negative log-likelihood of a code in nats, with labels (`loss`) and without."""
        codes, labels = self.held_out, self.context.dataset.validation.labels
        null = torch.full_like(labels, self.network.null_label)
        return {"loss": self._mean_nll(codes, labels), "unconditional": self._mean_nll(codes, null)}

    def illustrate(self, progress: StageProgress, step: int) -> None:
        """A column of samples for each label, drawn and decoded as the service would."""
        labels = [label for _ in range(SHOWN) for label in range(len(self.context.recipe.labels))]
        model = build_model(self.autoencoder, self.network, len(labels))
        slots = range(len(labels))
        for slot, label in zip(slots, labels, strict=True):
            model.begin(slot, SampleRequest(self.context.recipe.seed, slot, label))
        for _ in range(model.total_codes):
            model.step(slots)
        pictures = as_pictures(torch.from_numpy(model.decode(slots).media), self.context.recipe.media)
        progress.image("samples", tile(pictures, len(self.context.recipe.labels)), step)

    def _mean_nll(self, codes: Tensor, labels: Tensor) -> float:
        processes, total = self.context.processes, 0.0
        for start in processes.deal(range(0, len(codes), VALIDATION_BATCH)):
            rows = slice(start, start + VALIDATION_BATCH)
            total += self._nll(codes[rows], labels[rows]).item() * len(codes[rows])
        return processes.sum(torch.tensor(total, dtype=torch.float64)).item() / len(codes)

    def _nll(self, codes: Tensor, labels: Tensor) -> Tensor:
        codes, labels = codes.to(self.context.device), labels.to(self.context.device)
        logits: Tensor = self.network(codes, labels)
        return cross_entropy(logits.flatten(0, 1).float(), codes.flatten())
