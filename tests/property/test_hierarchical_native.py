"""A gated PixelCNN in the native library: the network's logits by steps and by passes, to the bit in any company."""

from __future__ import annotations

import pytest
import torch
from hierarchies import random_features, random_network, random_symbols
from hypothesis import given, settings
from hypothesis import strategies as st
from pixelcnn_cases import SLOTS, Case, cases, common, rounding, schedules
from torch import Tensor

from models.hierarchical.config import GatedPixelCNNConfig, Grid
from models.hierarchical.grid_sampler import GridSampler
from models.hierarchical.native import NativeGridSampler
from models.native.library import INSTRUCTION_SETS, Kernels, kernels
from models.runtime.executor import Draw
from models.runtime.randomness import code_uniforms

HERE = {name: found for name in INSTRUCTION_SETS if (found := kernels(name))}
instructions = st.sampled_from(sorted(HERE))


def best() -> Kernels:
    """Of this machine, which must have some."""
    found = kernels()
    assert found is not None
    return found


def drawing(grid: Grid, slot: int) -> Draw:
    return Draw(1.0, grid.values, 1.0, code_uniforms(slot, 0, grid.symbols))


@settings(common, max_examples=150)
@given(cases(), instructions, st.integers(0, 2**32))
def test_a_pass_has_the_logits_of_the_network(case: Case, name: str, seed: int) -> None:
    """In double precision, that is."""
    network, grid = random_network(case.config, case.grid), case.grid
    symbols = random_symbols(grid, SLOTS, seed)
    features = random_features(grid, SLOTS, spatial=case.spatial, seed=seed)
    found = NativeGridSampler(network, grid, 1, HERE[name], spatial=case.spatial).logits(symbols, features)
    expected = network.double()(symbols, features.double()).float()
    torch.testing.assert_close(found, expected, rtol=0.0, atol=rounding(expected))


@settings(common, max_examples=150)
@given(cases(), schedules, instructions)
def test_steps_draw_from_the_logits_of_a_pass_to_the_bit(
    case: Case, schedule: list[tuple[list[int], int | None]], name: str
) -> None:
    """Whichever slots step together, and begin anew in between."""
    network, grid = random_network(case.config, case.grid), case.grid
    features = random_features(grid, SLOTS, spatial=case.spatial)
    sampler = NativeGridSampler(network, grid, SLOTS, HERE[name], spatial=case.spatial)
    seen: dict[int, list[Tensor]] = {slot: [] for slot in range(SLOTS)}
    for slot in range(SLOTS):
        sampler.begin(slot, features[slot], drawing(grid, slot))
    for slots, anew in [*schedule, *[(list(range(SLOTS)), None)] * grid.places]:
        if anew is not None:
            sampler.release(anew)
            sampler.begin(anew, features[anew], drawing(grid, anew))
            seen[anew] = []
        if chosen := [slot for slot in slots if sampler.position(slot) < grid.places]:
            sampler.step(chosen)
            for row, slot in enumerate(chosen):
                seen[slot].append(torch.from_numpy(sampler.drawn_from(row)))
    whole = sampler.logits(sampler.symbols(range(SLOTS)), features)
    for slot in range(SLOTS):
        assert torch.equal(torch.stack(seen[slot], dim=1), whole[slot].flatten(1, 2))


@settings(common, max_examples=80)
@given(cases(), st.data())
def test_symbols_that_are_given_are_read_as_if_they_had_been_drawn(case: Case, data: st.DataObject) -> None:
    network, grid = random_network(case.config, case.grid), case.grid
    features = random_features(grid, 1, spatial=case.spatial)[0]
    sampler = NativeGridSampler(network, grid, 2, best(), spatial=case.spatial)
    sampler.begin(0, features, drawing(grid, 0))
    for _ in range(grid.places):
        sampler.step([0])
    places = data.draw(st.integers(0, grid.places))
    sampler.begin(1, features, drawing(grid, 0), sampler.symbols([0])[0].flatten(1).t()[:places])
    for read in sorted(data.draw(st.lists(st.integers(0, places), max_size=3))):
        sampler.read(1, read)
        assert sampler.position(1) == read
    while sampler.position(1) < grid.places:
        sampler.step([1])
    assert torch.equal(sampler.symbols([1]), sampler.symbols([0]))


def test_it_draws_what_pytorch_draws() -> None:
    """From the same logits but for rounding: here no draw is so near a boundary that it decides."""
    grid = Grid(channels=2, height=6, width=7, bits=4)
    network = random_network(GatedPixelCNNConfig(layers=3, hidden=20, residual=16, timing="add"), grid)
    features = random_features(grid, SLOTS, spatial=True)
    wanted = [(0.7, 16, 1.0), (1.0, 3, 1.0), (1.0, 16, 0.8)]  # temperature, top_k, top_p
    drawn = []
    for sampler in (
        GridSampler(network, grid, SLOTS, spatial=True),
        NativeGridSampler(network, grid, SLOTS, best(), spatial=True),
    ):
        for slot in range(SLOTS):
            sampler.begin(slot, features[slot], Draw(*wanted[slot], code_uniforms(slot, 0, grid.symbols)))
        for _ in range(grid.places):
            sampler.step(range(SLOTS))
        drawn.append(sampler.symbols(range(SLOTS)))
    assert torch.equal(*drawn)


@pytest.mark.parametrize("name", sorted(HERE.keys() - {"portable"}))
def test_all_instruction_sets_that_fuse_have_the_same_bits(name: str) -> None:
    grid = Grid(channels=1, height=5, width=6, bits=5)
    config = GatedPixelCNNConfig(layers=3, hidden=40, residual=70, attention=2, heads=4, timing="concat", filter=5)
    network, symbols = random_network(config, grid), random_symbols(grid, 2)
    features = random_features(grid, 2, spatial=False)
    found, fused = (
        NativeGridSampler(network, grid, 1, HERE[each], spatial=False).logits(symbols, features)
        for each in (name, "avx2")
    )
    assert torch.equal(found, fused)


def test_a_step_that_is_refused_changes_nothing() -> None:
    grid = Grid(channels=1, height=2, width=2, bits=2)
    network = random_network(GatedPixelCNNConfig(layers=1, hidden=4), grid)
    sampler = NativeGridSampler(network, grid, 2, best(), spatial=True)
    sampler.begin(0, random_features(grid, 1, spatial=True)[0], drawing(grid, 0))
    with pytest.raises(ValueError, match="slot 1 is free"):
        sampler.step([0, 1])
    assert sampler.position(0) == 0
    with pytest.raises(ValueError, match="slot 0 is taken"):
        sampler.begin(0, random_features(grid, 1, spatial=True)[0], drawing(grid, 0))
    for _ in range(grid.places):
        sampler.step([0])
    with pytest.raises(ValueError, match="no room"):
        sampler.step([0])
    sampler.release(0)
    assert not sampler.holds(0)
