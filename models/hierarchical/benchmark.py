"""What incremental sampling saves, measured against naive sampling in one run.

Naive sampling runs the whole network for every symbol, and takes the same each time. So some of its passes are timed,
in between, and their median stands for all. Incremental sampling is timed as it is, from the first place to the last.
Both by the clock, and by the processor time that they took, to which neighbours on a shared machine add less.
"""

from __future__ import annotations

import statistics
import time
from typing import Any, NamedTuple

import torch
from torch import Tensor

from models.benchmark import machine
from models.hierarchical.config import GatedPixelCNNConfig, Grid
from models.hierarchical.grid_sampler import GridSampler
from models.hierarchical.hierarchy import ClassConditionalPrior
from models.hierarchical.incremental import IncrementalPixelCNN
from models.hierarchical.native import NativeGridSampler
from models.native import library
from models.native.library import Kernels
from models.runtime.executor import Draw
from models.runtime.randomness import code_uniforms

LABELS = 10


@torch.inference_mode()
def benchmark_prior(config: GatedPixelCNNConfig, grid: Grid, batches: tuple[int, ...], passes: int) -> dict[str, Any]:
    """Time a prior with random weights on the CPU.

    Args:
        batches: samples at a time.
        passes: of naive sampling that are timed for each.
    """
    torch.manual_seed(0)
    prior = ClassConditionalPrior(config, grid, LABELS).eval()
    return {
        "network": config.model_dump(),
        "grid": grid.model_dump(),
        "threads": torch.get_num_threads(),
        "machine": machine("cpu"),
        "rows": [_row(prior, grid, batch, passes) for batch in batches],
    }


def _row(prior: ClassConditionalPrior, grid: Grid, batch: int, passes: int) -> dict[str, Any]:
    features = prior.condition(torch.arange(batch) % LABELS)
    stepper = IncrementalPixelCNN(prior.network, grid.height, grid.width, batch, spatial=False)
    symbols = torch.zeros(batch, grid.channels, grid.height, grid.width, dtype=torch.int64)
    logits = torch.zeros(*symbols.shape, grid.values)
    generator = torch.Generator().manual_seed(0)
    prior.network(symbols, features)  # its first pass takes longer
    naive, steps = list[_Took](), list[_Took]()
    for slot in range(batch):
        stepper.begin(slot, features[slot])
    every = max(grid.places // passes, 1)
    slots = list(range(batch))
    for place in range(grid.places):
        at = (place // grid.width, place % grid.width)

        def choose(seen: Tensor, channel: int, at: tuple[int, int] = at) -> Tensor:
            logits[:, channel, *at] = seen
            return torch.multinomial(seen.softmax(-1), 1, generator=generator).squeeze(1)

        began = _now()
        symbols[:, :, *at] = stepper.step(slots, [place] * batch, choose)
        steps.append(_since(began))
        if place % every == 0:
            began = _now()
            prior.network(symbols, features)
            naive.append(_since(began))
    naively = _Took(*[statistics.median(times) * grid.symbols for times in zip(*naive, strict=True)])
    ways = {GridSampler.name: _compared(steps, naively, grid, logits - prior.network(symbols, features))}
    if kernels := library.kernels():
        ways[NativeGridSampler.name] = _natively(prior, grid, features, naively, kernels)
    return {
        "batch": batch,
        "naive_seconds": naively.clock,
        "naive_processor_seconds": naively.processor,
        "naive_passes_timed": len(naive),
        "incremental": ways,
    }


def _natively(
    prior: ClassConditionalPrior, grid: Grid, features: Tensor, naively: _Took, kernels: Kernels
) -> dict[str, Any]:
    sampler = NativeGridSampler(prior.network, grid, len(features), kernels, spatial=False)
    slots = range(len(features))
    for slot in slots:
        sampler.begin(slot, features[slot], Draw(1.0, grid.values, 1.0, code_uniforms(slot, 0, grid.symbols)))
    logits, steps = list[Tensor](), list[_Took]()
    for _ in range(grid.places):
        began = _now()
        sampler.step(slots)
        steps.append(_since(began))
        logits.append(torch.stack([torch.from_numpy(sampler.drawn_from(slot)) for slot in slots]))
    expected = prior.network(sampler.symbols(slots), features).flatten(2, 3)
    return _compared(steps, naively, grid, torch.stack(logits, dim=2) - expected)


def _compared(steps: list[_Took], naively: _Took, grid: Grid, differences: Tensor) -> dict[str, Any]:
    """What all steps took, beside naive sampling."""
    took = _Took(*[sum(times) for times in zip(*steps, strict=True)])
    by_clock = [each.clock for each in steps]
    return {
        "seconds": took.clock,
        "processor_seconds": took.processor,
        "times_faster": naively.clock / took.clock,
        "times_less_processor_time": naively.processor / took.processor,
        "step_ms": {
            "median": 1000 * statistics.median(by_clock),
            "row_start_median": 1000 * statistics.median(by_clock[:: grid.width]),
        },
        "largest_difference_of_logits": differences.abs().max().item(),
    }


class _Took(NamedTuple):
    """Seconds, or when they began to be counted."""

    clock: float
    processor: float


def _now() -> _Took:
    return _Took(time.perf_counter(), time.process_time())


def _since(began: _Took) -> _Took:
    return _Took(*(now - then for now, then in zip(_now(), began, strict=True)))
