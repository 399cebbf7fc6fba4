"""Grids drawn in slots, and whole hierarchies."""

from __future__ import annotations

import pytest
import torch
from hierarchies import (
    LABELS,
    MASKED,
    hierarchy_config,
    level_config,
    random_features,
    random_hierarchy,
    random_network,
)
from torch.utils.flop_counter import FlopCounterMode

from models.config import SamplingDefaults
from models.hierarchical.benchmark import benchmark_prior
from models.hierarchical.config import GatedPixelCNNConfig, Grid, HierarchyConfig
from models.hierarchical.grid_sampler import GridSampler
from models.hierarchical.incremental.attention import one_by_one, together
from models.hierarchical.naive import draw_naively
from models.hierarchical.sampling import hows, sample_symbols
from models.runtime.executor import Draw
from models.runtime.protocol import SampleRequest
from models.runtime.randomness import code_uniforms

GRID = Grid(channels=2, height=3, width=4, bits=3)
TWO_LEVELS = hierarchy_config(level_config(MASKED, channels=2), level_config(), channels=3)


def sampler_of(slots: int = 2, grid: Grid = GRID) -> GridSampler:
    network = random_network(GatedPixelCNNConfig(layers=2, hidden=9), grid)
    return GridSampler(network, grid, slots, spatial=True)


def any_draw(grid: Grid = GRID) -> Draw:
    return Draw(1.0, grid.values, 1.0, code_uniforms(0, 0, grid.symbols))


@pytest.mark.parametrize(
    "config",
    [
        hierarchy_config(level_config()),
        TWO_LEVELS,
        hierarchy_config(*[level_config()] * 3, channels=2, edge=16),
    ],
    ids=["one level", "two", "three"],
)
def test_a_sample_is_what_naive_sampling_draws_level_after_level(config: HierarchyConfig) -> None:
    """Algorithm 4, with attention, in double precision; labels, the null label and two batches among them."""
    hierarchy = random_hierarchy(config, torch.float64)
    labels: list[int | None] = [1, None, 0]
    sampling = SamplingDefaults(temperature=0.97)
    drawn = sample_symbols(hierarchy, labels, 5, sampling, batch=2)
    requests = [SampleRequest(5, index, label, 0.97) for index, label in enumerate(labels)]
    features = hierarchy.prior.condition(torch.tensor([1, LABELS, 0]))
    for index in reversed(range(len(config.grids))):
        network = hierarchy.prior.network if index == len(config.levels) else hierarchy.levels[index].local
        how = hows(requests, config.grids, config.first_symbols, index)
        naive = draw_naively(network, config.grids[index], features, how)
        assert torch.equal(drawn[index], naive)
        if index:
            features = hierarchy.levels[index - 1].condition(naive)
    assert len(torch.unique(drawn[0].flatten(1), dim=0)) == 3


def test_each_symbol_has_a_number_of_its_own() -> None:
    """The topmost codes come first in the stream, the pixels last, and no number is used twice."""
    request = SampleRequest(3, 4)
    grids, first = TWO_LEVELS.grids, TWO_LEVELS.first_symbols
    streams = [hows([request], grids, first, index)[0].uniforms for index in range(len(grids))]
    assert [len(stream) for stream in streams] == [grid.symbols for grid in grids]
    together = torch.cat([torch.from_numpy(stream.copy()) for stream in reversed(streams)])
    assert torch.equal(together, torch.from_numpy(code_uniforms(3, 4, len(together)).copy()))


def test_temperature_zero_takes_the_likeliest_symbols() -> None:
    network = random_network(GatedPixelCNNConfig(layers=2, hidden=9), GRID)
    features = random_features(GRID, 1, spatial=True)
    sampler = GridSampler(network, GRID, 1, spatial=True)
    sampler.begin(0, features[0], Draw.of(SampleRequest(0, temperature=0), 8, code_uniforms(0, 0, GRID.symbols)))
    for _ in range(GRID.places):
        sampler.step([0])
    symbols = sampler.symbols([0])
    assert torch.equal(network(symbols, features).argmax(-1), symbols)


def test_a_slot_is_begun_stepped_to_the_end_and_released() -> None:
    sampler = sampler_of()
    sampler.begin(1, random_features(GRID, 1, spatial=True)[0], any_draw())
    with pytest.raises(ValueError, match="slot 1 is taken"):
        sampler.begin(1, random_features(GRID, 1, spatial=True)[0], any_draw())
    for place in range(GRID.places):
        assert sampler.position(1) == place
        sampler.step([1])
    with pytest.raises(ValueError, match="no room"):
        sampler.step([1])
    with pytest.raises(ValueError, match="slot 0 is free"):
        sampler.step([0])
    sampler.release(1)
    with pytest.raises(ValueError, match="slot 1 is free"):
        sampler.position(1)


def test_a_step_that_is_refused_changes_nothing() -> None:
    sampler = sampler_of()
    sampler.begin(0, random_features(GRID, 1, spatial=True)[0], any_draw())
    with pytest.raises(ValueError, match="slot 1 is free"):
        sampler.step([0, 1])
    assert sampler.position(0) == 0


@pytest.mark.parametrize("attention", [0, 1])
def test_a_whole_sample_takes_no_more_arithmetic_than_one_full_pass(attention: int) -> None:
    """So each layer is computed once at each place. Naive sampling takes as many full passes as there are symbols."""
    grid = Grid(channels=1, height=8, width=8, bits=3)
    network = random_network(GatedPixelCNNConfig(layers=3, hidden=8, residual=16, attention=attention), grid)
    features = random_features(grid, 1, spatial=True)
    with FlopCounterMode(display=False) as full:
        network(torch.zeros(1, 1, 8, 8, dtype=torch.int64), features)
    sampler = GridSampler(network, grid, 1, spatial=True)
    sampler.begin(0, features[0], any_draw(grid))
    with FlopCounterMode(display=False) as whole:
        for _ in range(grid.places):
            sampler.step([0])
    assert 0.5 * full.get_total_flops() < whole.get_total_flops() <= full.get_total_flops()


def test_slots_attend_together_as_they_do_one_by_one() -> None:
    """Together is the way of devices other than the CPU; one slot is named twice, as padding does."""
    generator = torch.Generator().manual_seed(0)
    keys = torch.randn(4, 2, 3, 9, 5, generator=generator)  # (slots, keys and values, heads, places, size)
    queries = torch.randn(4, 3, 1, 5, generator=generator)
    queries[3] = queries[2]
    slots, places = [3, 0, 1, 1], [8, 0, 4, 4]
    expected = one_by_one(queries, keys, slots, places)
    torch.testing.assert_close(together(queries, keys, (torch.tensor(slots), torch.tensor(places)), 9), expected)


def test_the_benchmark_measures_both_ways_and_compares_them() -> None:
    config = GatedPixelCNNConfig(layers=2, hidden=8, attention=1, timing="add")
    result = benchmark_prior(config, Grid(channels=1, height=4, width=4, bits=3), (1, 3), passes=2)
    for row, batch in zip(result["rows"], (1, 3), strict=True):
        assert row["batch"] == batch
        assert row["naive_passes_timed"] == 2
        assert row["incremental"].keys() == {"reference", "native"}
        for way in row["incremental"].values():
            assert way["largest_difference_of_logits"] < 1e-5
            assert way["times_faster"] == pytest.approx(row["naive_seconds"] / way["seconds"])
