"""The training loop that all stages share: epochs, validation, best weights, checkpoints."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from models.errors import AnytimeError
from training.averaging import WeightAverage
from training.checkpoint import load_checkpoint, save_checkpoint
from training.codebook import MovingCodebook, MovingCodebooks
from training.compiling import compile_network, uncompiled
from training.context import Run
from training.gradients import add_gradients
from training.options import Optimisation
from training.progress import StageProgress
from training.recipe import Experiment
from training.schedule import learning_rate
from training.seeds import derive_seed, shuffled
from training.speed import SpeedMeter

LOG_EVERY = 20  # steps between two logged losses; each waits for the device


class DivergedError(AnytimeError):
    """A loss that is no longer a number."""


class Task(Protocol):
    """What one trained stage adds to the loop."""

    @property
    def stage(self) -> str:
        """Its name."""

    @property
    def network(self) -> nn.Module:
        """What is trained, on the run's device."""

    @property
    def memory(self) -> MovingCodebook | MovingCodebooks | None:
        """What learns beside the gradient, from what `loss` lets it observe, and is not shipped; None if nothing is."""

    @property
    def examples(self) -> int:
        """Training examples."""

    @property
    def codes_per_example(self) -> int:
        """Codes that one example teaches, for the speed shown."""

    @property
    def criterion(self) -> str:
        """Which of `validate`'s means picks the best epoch: its lowest."""

    def start(self) -> None:
        """Give the network the weights it starts from. Not called when the stage goes on from a checkpoint."""

    def loss(self, rows: Tensor, seed: int) -> tuple[Tensor, Mapping[str, Tensor]]:
        """The mean loss of the training examples at `rows` (B,) int64, and its parts for the log; scalars.

        They may be part of a batch: what is drawn for each of them is drawn by `training.draws.drawn`.
        """

    def validate(self) -> Mapping[str, float]:
        """Means over the validation split, by name."""

    def illustrate(self, progress: StageProgress, step: int) -> None:
        """Log pictures of what the network does now."""


@dataclass
class Position:
    """How far a stage has come, and its best epoch so far.

    Attributes:
        epoch, step: the next step to take, both from 0.
        best_loss: lowest value of the criterion, infinite before the first epoch's end.
        best_epoch: the epoch that had it.
        best: the weights it had, on the host.
    """

    epoch: int = 0
    step: int = 0
    best_loss: float = math.inf
    best_epoch: int = -1
    best: dict[str, Tensor] = field(default_factory=dict)


def train(context: Run[Experiment], task: Task, settings: Optimisation) -> None:
    """Train a stage to its end, from its checkpoint if there is one, and write its best epoch's weights."""
    _Loop(context, task, settings).run()


class _Loop:
    def __init__(self, context: Run[Experiment], task: Task, settings: Optimisation) -> None:
        self.context = context
        self.task = task
        self.settings = settings
        self.batch = min(settings.batch, task.examples)
        # The last, smaller batch is left out: every epoch leaves out other examples.
        self.steps = task.examples // self.batch
        self.total = self.steps * settings.epochs
        self.optimiser = torch.optim.AdamW(
            task.network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
        )
        decay, warmup = settings.average, settings.average_warmup
        self.average = None if decay is None else WeightAverage(task.network, decay, warmup=warmup)
        self.position = Position()
        self.saved_at = monotonic()
        self.processes = context.processes
        self.meter = SpeedMeter(context.directory, task.stage, context.device, self.processes.count)
        if 1 < self.processes.count > self.batch // 2:
            raise AnytimeError(
                f"stage {task.stage}: a batch of {self.batch} is too small for {self.processes.count} processes, which "
                f"need two examples each; start fewer, or raise stages.{task.stage}.batch"
            )

    def run(self) -> None:
        if self.settings.compile:
            compile_network(self.task.network, self.task.stage, self.context.device)
        self._restore_or_start()
        # Also, nobody may overwrite the checkpoint before all have read it.
        self.processes.same(self.task.network)
        self.processes.wait()
        position = self.position
        done = position.epoch * self.steps + position.step
        with self.context.progress.stage(self.task.stage, self.total, done, "codes") as progress:
            while position.epoch < self.settings.epochs:
                self._epoch(progress)
                self._finish_epoch(progress)
            progress.say(
                f"best epoch {position.best_epoch + 1}, validation {self.task.criterion} {position.best_loss:.4f}"
            )
        facts = {"epoch": position.best_epoch, "loss": position.best_loss}
        if self.processes.main:
            save_checkpoint(self.context.weights_path(self.task.stage), position.best, facts)

    def _epoch(self, progress: StageProgress) -> None:
        """The remaining steps of the present epoch."""
        position, seed, stage = self.position, self.context.recipe.seed, self.task.stage
        progress.describe(f"epoch {position.epoch + 1}/{self.settings.epochs}")
        self.task.network.train()
        order = shuffled(self.task.examples, seed, stage, "order", position.epoch)
        self.meter.begin()
        while position.step < self.steps:
            rows = order[position.step * self.batch :][: self.batch]
            step = position.epoch * self.steps + position.step
            parts = self._step(rows, step)
            position.step += 1
            progress.advance(items=len(rows) * self.task.codes_per_example)
            self.meter.count(len(rows))
            if (step + 1) % LOG_EVERY == 0:
                progress.scalars({f"train/{name}": self._finite(part) for name, part in parts.items()}, step + 1)
                self._lap()
            if position.step < self.steps and monotonic() - self.saved_at >= self.context.checkpoint_seconds:
                self._lap()
                self._save()
                self.meter.begin()
        self._lap()

    def _lap(self) -> None:
        """Tell the meter that some steps are done, once they are."""
        if self.context.device.type == "cuda":
            torch.cuda.synchronize(self.context.device)
        self.meter.lap()

    def _step(self, rows: Tensor, step: int) -> Mapping[str, Tensor]:
        seed = derive_seed(self.context.recipe.seed, self.task.stage, "step", step)
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.settings, step, self.total)
        self.optimiser.zero_grad(set_to_none=True)
        task, settings = self.task, self.settings
        means = add_gradients(task.network, task.loss, rows, seed, settings, self.processes)
        if task.memory:
            task.memory.learn(seed)
        if settings.gradient_clip is not None:
            nn.utils.clip_grad_norm_(task.network.parameters(), settings.gradient_clip)
        self.optimiser.step()
        if self.average:
            self.average.update()
        return means

    def _finish_epoch(self, progress: StageProgress) -> None:
        """Validate, remember the best weights, and move to the next epoch."""
        position, settings = self.position, self.settings
        step = (position.epoch + 1) * self.steps
        self.task.network.eval()
        averaged = self.average.applied() if self.average else nullcontext()
        with averaged, uncompiled() if settings.compile else nullcontext():
            values = self._judge(progress, step)
        facts = "  ".join(f"{name} {value:.4g}" for name, value in values.items())
        progress.say(f"epoch {position.epoch + 1}/{settings.epochs}  {facts}")
        position.epoch, position.step = position.epoch + 1, 0
        self._save()

    def _judge(self, progress: StageProgress, step: int) -> Mapping[str, float]:
        """Validate the network as it stands, and remember its weights if they are the best."""
        position = self.position
        with torch.inference_mode():
            values = self.task.validate()
            progress.scalars({f"validation/{name}": value for name, value in values.items()}, step)
            progress.scalars({"learning rate": learning_rate(self.settings, step - 1, self.total)}, step)
            if self.processes.main:
                self.task.illustrate(progress, step)
        loss = values[self.task.criterion]
        if not math.isfinite(loss):
            raise self._diverged()
        if loss < position.best_loss:
            position.best_loss, position.best_epoch = loss, position.epoch
            position.best = {name: tensor.cpu().clone() for name, tensor in self.task.network.state_dict().items()}
        return values

    def _finite(self, value: Tensor) -> float:
        number = value.item()
        if not math.isfinite(number):
            raise self._diverged()
        return number

    def _diverged(self) -> DivergedError:
        stage = self.task.stage
        return DivergedError(
            f"the loss of stage {stage} is no longer a number in epoch {self.position.epoch + 1}; "
            f"lower stages.{stage}.learning_rate"
        )

    def _save(self) -> None:
        if not self.processes.main:
            return
        position = self.position
        tensors = {f"network.{name}": tensor for name, tensor in self.task.network.state_dict().items()}
        tensors |= {f"best.{name}": tensor for name, tensor in position.best.items()}
        if self.average:
            tensors |= {f"average.{name}": tensor for name, tensor in self.average.state_dict().items()}
        if self.task.memory:
            tensors |= {f"memory.{name}": tensor for name, tensor in self.task.memory.state_dict().items()}
        for index, moments in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{index}.{name}": tensor for name, tensor in moments.items()}
        facts: dict[str, Any] = {"epoch": position.epoch, "step": position.step, "best_epoch": position.best_epoch}
        if position.best:
            facts["best_loss"] = position.best_loss
        save_checkpoint(self.context.checkpoint_path(self.task.stage), tensors, facts)
        self.meter.write()
        self.saved_at = monotonic()

    def _restore_or_start(self) -> None:
        path = self.context.checkpoint_path(self.task.stage)
        if not path.exists():
            torch.manual_seed(derive_seed(self.context.recipe.seed, self.task.stage, "start"))
            self.task.start()
            return
        tensors, facts = load_checkpoint(path)
        self.task.network.load_state_dict(_named(tensors, "network."))
        if self.average:
            self.average.load_state_dict(_named(tensors, "average."))
        if self.task.memory:
            self.task.memory.load_state_dict(_named(tensors, "memory."))
        moments: dict[int, dict[str, Tensor]] = {}
        for name, tensor in _named(tensors, "optimiser.").items():
            index, _, moment = name.partition(".")
            moments.setdefault(int(index), {})[moment] = tensor
        groups = self.optimiser.state_dict()["param_groups"]
        self.optimiser.load_state_dict({"state": moments, "param_groups": groups})
        self.position = Position(
            epoch=facts["epoch"],
            step=facts["step"],
            best_loss=facts.get("best_loss", math.inf),
            best_epoch=facts["best_epoch"],
            best=_named(tensors, "best."),
        )


def _named(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
