"""Hierarchical and refined models on CUDA: `make test-gpu`. Left out of `make test`, which must pass without a GPU."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
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
from refined import random_refined

from models.config import SamplingDefaults
from models.hierarchical.config import GatedPixelCNNConfig, Grid
from models.hierarchical.incremental import IncrementalPixelCNN
from models.hierarchical.sampling import sample_symbols
from models.runtime.protocol import SampleRequest

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


def test_a_refined_model_goes_on_from_what_it_has_drawn() -> None:
    """Codes and pixels, alone and beside another slot that is elsewhere."""
    model, request = random_refined(2, native=False, device="cuda"), SampleRequest(5, 1, 2)
    model.begin(0, request)
    model.step([0], model.total_codes)
    (whole,) = model.decode([0]).media
    (codes,) = model.codes([0])
    for given in (3, 6, 40):
        model.begin(1, replace(request, codes=tuple(codes[:given])))
        model.step([1], model.total_codes - given)
        assert model.codes([1]) == [codes]
        assert np.allclose(model.decode([1]).media[0], whole, rtol=0, atol=1e-5)
        model.check_integrity()
        model.release(1)
