"""Hierarchical models on a CUDA device: `make test-gpu`. Left out of `make test`, which must pass without one."""

from __future__ import annotations

import pytest
import torch
from hierarchies import (
    hierarchy_config,
    level_config,
    random_features,
    random_hierarchy,
    random_network,
    random_symbols,
)

from models.config import SamplingDefaults
from models.hierarchical.config import GatedPixelCNNConfig, Grid
from models.hierarchical.incremental import IncrementalPixelCNN
from models.hierarchical.sampling import sample_symbols

pytestmark = pytest.mark.gpu

SLOTS = 5


@pytest.mark.parametrize("attention", [0, 2])
def test_stepping_on_the_device_is_the_full_pass_there(attention: int) -> None:
    """In double precision; slots are at different places, so that rows begin and keys end at different times."""
    grid = Grid(channels=1 if attention else 3, height=6, width=7, bits=4)
    config = GatedPixelCNNConfig(layers=4, hidden=24, residual=32, attention=attention, heads=3, timing="concat")
    network = random_network(config, grid, torch.float64).cuda()
    symbols = random_symbols(grid, SLOTS).cuda()
    features = random_features(grid, SLOTS, spatial=True, dtype=torch.float64).cuda()
    expected = network(symbols, features)
    stepper = IncrementalPixelCNN(network, grid.height, grid.width, SLOTS, spatial=True)
    for turn in range(grid.places + SLOTS - 1):
        slots = [slot for slot in range(SLOTS) if 0 <= turn - slot < grid.places]
        places = [turn - slot for slot in slots]
        if turn < SLOTS:
            stepper.begin(turn, features[turn])
        which, at = torch.tensor(slots).cuda(), torch.tensor(places).cuda()
        rows, columns = at // grid.width, at % grid.width

        def check(
            logits: torch.Tensor,
            channel: int,
            which: torch.Tensor = which,
            rows: torch.Tensor = rows,
            columns: torch.Tensor = columns,
        ) -> torch.Tensor:
            torch.testing.assert_close(logits, expected[which, channel, rows, columns], rtol=1e-9, atol=1e-9)
            return symbols[which, channel, rows, columns]

        stepper.step(slots, places, check)


def test_samples_are_those_of_the_cpu() -> None:
    """In double precision."""
    config = hierarchy_config(level_config(channels=2), level_config(), channels=3)
    on_cpu = random_hierarchy(config, torch.float64)
    there = random_hierarchy(config, torch.float64).cuda()
    here, drawn = (sample_symbols(each, [0, 1, None], 3, SamplingDefaults()) for each in (on_cpu, there))
    assert all(torch.equal(*each) for each in zip(here, drawn, strict=True))
