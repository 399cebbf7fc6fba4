"""What a training step of a recipe's levels and prior takes, on random symbols: time, and memory."""

from __future__ import annotations

import multiprocessing
import resource
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import NamedTuple

import torch
from torch import Tensor, nn

from models.hierarchical.config import Grid, MaskedConfig
from models.hierarchical.hierarchy import ClassConditionalPrior
from models.hierarchical.level import Level
from models.hierarchical.losses import level_pass, prior_loss
from models.hierarchical.masking import draw_masks
from training.averaging import WeightAverage
from training.codebook import MovingCodebooks, estimator_of
from training.hierarchical.recipe import HierarchicalRecipe
from training.options import Optimisation

_SEED = 7

Loss = Callable[[int], Tensor]


class StepCost(NamedTuple):
    """What a step of one part takes.

    Attributes:
        part: `level-1`, ..., or `prior`.
        parameters: all that are trained.
        symbols: of one example, as it is cut out.
        batch: examples of the steps that were measured.
        seconds: of a step, median.
        processor_seconds: of a step, median: what others do on the machine does not count.
        state_bytes: weights, gradients, the optimiser's two moments and the average.
        peak_bytes: the most that the steps took, all included.
        whole_batch: of the recipe.
        steps: of the recipe, given how many training examples there are.
    """

    part: str
    parameters: int
    symbols: int
    batch: int
    seconds: float
    processor_seconds: float
    state_bytes: int
    peak_bytes: int
    whole_batch: int
    steps: int

    @property
    def days(self) -> float:
        """What all steps of the recipe would take, if time grows with the batch."""
        return self.steps * self.whole_batch / self.batch * self.seconds / 86400

    @property
    def whole_bytes(self) -> int:
        """Memory for a batch of the recipe, if what comes to the state grows with the batch."""
        return self.state_bytes + (self.peak_bytes - self.state_bytes) * self.whole_batch // self.batch


def step_costs(
    recipe: HierarchicalRecipe, batch: int, steps: int, examples: int, labels: int, threads: int
) -> Iterator[StepCost]:
    """Measure each part on the CPU, in a process of its own so that its memory is known.

    Args:
        batch: examples of a step.
        steps: how many are measured, after one more.
        examples: training examples of the data that the recipe is for.
        labels: classes that the prior knows.
    """
    parts = [*range(1, len(recipe.levels) + 1), 0]
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, max_tasks_per_child=1) as processes:
        for part in parts:
            yield processes.submit(_measure, recipe, part, batch, steps, examples, labels, threads).result()


def _measure(
    recipe: HierarchicalRecipe, number: int, batch: int, steps: int, examples: int, labels: int, threads: int
) -> StepCost:
    """One part: a level by its number, or 0 for the prior."""
    torch.set_num_threads(threads)
    torch.manual_seed(_SEED)
    before = _peak_bytes()
    settings: Optimisation
    if number:
        settings = recipe.stages.levels[number - 1]
        network, loss, symbols = _level(recipe, number, batch)
    else:
        settings = recipe.stages.prior
        network, loss, symbols = _prior(recipe, batch, labels)
    seconds, processor_seconds = _steps(network, loss, settings, steps)
    parameters = [each for each in network.parameters() if each.requires_grad]
    copies = 4 + (settings.average is not None)  # weights, gradients, two moments, the average
    return StepCost(
        part=f"level-{number}" if number else "prior",
        parameters=sum(each.numel() for each in parameters),
        symbols=symbols,
        batch=batch,
        seconds=seconds,
        processor_seconds=processor_seconds,
        state_bytes=copies * sum(each.numel() * each.element_size() for each in parameters),
        peak_bytes=_peak_bytes() - before,
        whole_batch=settings.batch,
        steps=examples // settings.batch * settings.epochs,
    )


def _level(recipe: HierarchicalRecipe, number: int, batch: int) -> tuple[nn.Module, Loss, int]:
    """A level, its loss at a step, and the symbols of an example."""
    config, settings = recipe.hierarchy, recipe.stages.levels[number - 1]
    grid = config.grids[number - 1]
    if settings.crop:
        grid = grid.model_copy(update={"height": settings.crop, "width": settings.crop})
    level = Level(config.levels[number - 1], config.grids[number - 1], ordinal=number == 1)
    memory = MovingCodebooks([each.codebook.data for each in level.bottleneck.quantisers], recipe.codebook)
    estimator, auxiliary = estimator_of(recipe.codebook), level.config.auxiliary

    def loss(step: int) -> Tensor:
        draws = torch.Generator().manual_seed(step)
        masks = None
        if isinstance(auxiliary, MaskedConfig):
            masks = draw_masks(auxiliary, batch, grid.height, grid.width, draws)
        done = level_pass(level, _symbols(grid, batch, draws), masks, settings.commitment, estimator)
        memory.observe(done.observed)
        memory.learn(step)
        return done.losses.total

    return level, loss, grid.symbols


def _prior(recipe: HierarchicalRecipe, batch: int, labels: int) -> tuple[nn.Module, Loss, int]:
    """The prior, its loss at a step, and the codes of an example."""
    grid = recipe.hierarchy.grids[-1]
    prior = ClassConditionalPrior(recipe.prior, grid, labels)

    def loss(step: int) -> Tensor:
        draws = torch.Generator().manual_seed(step)
        return prior_loss(prior, _symbols(grid, batch, draws), torch.randint(labels, (batch,), generator=draws))

    return prior, loss, grid.symbols


def _symbols(grid: Grid, batch: int, draws: torch.Generator) -> Tensor:
    return torch.randint(grid.values, (batch, grid.channels, grid.height, grid.width), generator=draws)


def _steps(network: nn.Module, loss: Loss, settings: Optimisation, steps: int) -> tuple[float, float]:
    """Seconds of a step and seconds of processor time, medians, after one step that makes what all need."""
    optimiser = torch.optim.AdamW(network.parameters(), lr=settings.learning_rate, fused=True)
    decay = settings.average
    average = None if decay is None else WeightAverage(network, decay, warmup=settings.average_warmup)
    network.train()
    took: list[tuple[float, float]] = []
    for step in range(steps + 1):
        began, computed = perf_counter(), process_time()
        optimiser.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=settings.precision == "bfloat16"):
            value = loss(step)
        value.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        if average:
            average.update()
        took.append((perf_counter() - began, process_time() - computed))
    seconds, processor_seconds = map(median, zip(*took[1:], strict=True))
    return seconds, processor_seconds


def _peak_bytes() -> int:
    """The most memory that this process has had; what getrusage says of it can be its parent's on Linux."""
    status = Path("/proc/self/status")
    if status.exists():
        (peak,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(peak.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
