"""What training has already fits a level: codebooks as moving averages, and Polyak averages of the weights."""

from __future__ import annotations

import torch
from hierarchies import FEED_FORWARD, level_config, random_level, random_symbols
from torch import Tensor

from models.hierarchical.config import Grid
from models.hierarchical.level import Level
from models.hierarchical.losses import level_pass
from training.averaging import WeightAverage
from training.codebook import MovingCodebook
from training.options import CodebookRecipe

GRID = Grid(channels=1, height=8, width=8, bits=3)
MOVING = CodebookRecipe(learning="average", decay=0.9, revive=0.1)


def train(level: Level, average: WeightAverage, steps: int) -> list[dict[str, Tensor]]:
    """As a stage does; what the weights were after each step."""
    quantisers = level.bottleneck.quantisers
    memories = [MovingCodebook(quantiser.codebook.data, MOVING) for quantiser in quantisers]
    optimiser = torch.optim.Adam(level.parameters(), 1e-2)
    states = []
    for step in range(steps):
        done = level_pass(level, random_symbols(GRID, 4, step), None, 0.25)
        optimiser.zero_grad()
        done.losses.total.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        for memory, (vectors, codes) in zip(memories, done.observed, strict=True):
            memory.observe(vectors, codes)
            memory.learn(step)
        average.update()
        states.append({name: tensor.clone() for name, tensor in level.state_dict().items()})
    return states


def test_polyak_averages_hold_all_weights_and_codebooks_of_a_level() -> None:
    level = random_level(level_config(FEED_FORWARD, channels=2), GRID)
    average = WeightAverage(level, 0.75)
    states = train(level, average, 3)
    with average.applied():
        averaged = {name: tensor.clone() for name, tensor in level.state_dict().items()}
    for name, tensor in averaged.items():
        first, second, third = (state[name] for state in states)
        torch.testing.assert_close(tensor, 0.75 * (0.75 * first + 0.25 * second) + 0.25 * third)
    own = level.state_dict()
    assert all(torch.equal(own[name], tensor) for name, tensor in states[-1].items())


def test_codebooks_move_by_what_chose_them_and_by_no_gradient() -> None:
    level = random_level(level_config(FEED_FORWARD, channels=2), GRID)
    before = [quantiser.codebook.detach().clone() for quantiser in level.bottleneck.quantisers]
    train(level, WeightAverage(level, 0.5), 1)
    for quantiser, old in zip(level.bottleneck.quantisers, before, strict=True):
        assert quantiser.codebook.grad is None
        assert not torch.equal(quantiser.codebook, old)
