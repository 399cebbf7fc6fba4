"""A gated PixelCNN that is stepped place by place is the same network: same logits, same samples, in any company."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import torch
from hierarchies import random_features, random_network, random_symbols
from hypothesis import given, settings
from hypothesis import strategies as st
from pixelcnn_cases import SLOTS, Case, cases, common, rounding, schedules
from torch import Tensor

from models.hierarchical.config import Grid
from models.hierarchical.drawing import Draws
from models.hierarchical.grid_sampler import GridSampler
from models.hierarchical.incremental import Choose, IncrementalPixelCNN
from models.hierarchical.naive import draw_naively
from models.runtime.executor import Draw
from models.runtime.protocol import SampleRequest
from models.runtime.randomness import code_uniforms


@settings(common, max_examples=200)
@given(cases(), schedules, st.sampled_from((torch.float32, torch.float64)), st.integers(0, 2**32))
def test_logits_of_every_place_are_those_of_the_full_pass(
    case: Case, schedule: list[tuple[list[int], int | None]], dtype: torch.dtype, seed: int
) -> None:
    network, grid = random_network(case.config, case.grid, dtype), case.grid
    symbols = random_symbols(grid, SLOTS, seed)
    features = random_features(grid, SLOTS, spatial=case.spatial, seed=seed, dtype=dtype)
    expected = network(symbols, features)  # (slots, C, H, W, V)
    stepper = IncrementalPixelCNN(network, grid.height, grid.width, SLOTS, spatial=case.spatial)
    held: dict[int, list[int]] = {}  # slot -> which of the grids it has, how many places of it, since when
    for turn, (slots, anew) in enumerate(schedule):
        for slot in [*slots] if anew is None else [anew, *slots]:
            if slot not in held or (held[slot][2] < turn and slot == anew):
                held[slot] = [(slot + turn) % SLOTS, 0, turn]
                stepper.begin(slot, features[held[slot][0]])
        chosen = [slot for slot in slots if held[slot][1] < grid.places]
        if chosen:
            _step(stepper, grid, {slot: held[slot] for slot in chosen}, symbols, expected)


def _step(
    stepper: IncrementalPixelCNN, grid: Grid, held: dict[int, list[int]], symbols: Tensor, expected: Tensor
) -> None:
    """One more place of the slots, with the symbols that their grids have there."""
    places = [place for _, place, _ in held.values()]
    which = torch.tensor([index for index, _, _ in held.values()])
    rows, columns = torch.tensor(places) // grid.width, torch.tensor(places) % grid.width
    channels = []

    def check(logits: Tensor, channel: int) -> Tensor:
        channels.append(channel)
        whole = expected[which, channel, rows, columns]
        torch.testing.assert_close(logits, whole, rtol=0.0, atol=rounding(expected))
        return symbols[which, channel, rows, columns]

    given = stepper.step(list(held), places, check)
    assert channels == list(range(grid.channels))
    assert torch.equal(given, symbols[which, :, rows, columns])
    for state in held.values():
        state[1] += 1


requests = st.lists(
    st.builds(
        SampleRequest,
        seed=st.integers(0, 2**63 - 1),
        sample=st.integers(0, 2**32 - 1),
        temperature=st.sampled_from((0.0, 0.7, 1.0)),
        top_k=st.sampled_from((0, 2)),
        top_p=st.sampled_from((0.8, 1.0)),
    ),
    min_size=SLOTS,
    max_size=SLOTS,
)


@settings(common, max_examples=80)
@given(cases(), requests, schedules)
def test_samples_are_those_of_naive_sampling(
    case: Case, wanted: list[SampleRequest], schedule: list[tuple[list[int], int | None]]
) -> None:
    """In double precision, where no draw is so near a boundary that the order of a sum decides it."""
    grid = case.grid
    network = random_network(case.config, grid, torch.float64)
    features = random_features(grid, SLOTS, spatial=case.spatial, dtype=torch.float64)
    hows = [Draw.of(each, grid.values, code_uniforms(each.seed, each.sample, grid.symbols)) for each in wanted]
    naive = draw_naively(network, grid, features, hows)
    sampler = GridSampler(network, grid, SLOTS, spatial=case.spatial)
    for slot in range(SLOTS):
        sampler.begin(slot, features[slot], hows[slot])
    for slots, anew in [*schedule, *[(list(range(SLOTS)), None)] * grid.places]:
        if anew is not None:
            sampler.release(anew)
            sampler.begin(anew, features[anew], hows[anew])
        if chosen := [slot for slot in slots if sampler.position(slot) < grid.places]:
            sampler.step(chosen)
    assert torch.equal(sampler.symbols(range(SLOTS)), naive)


@settings(common, max_examples=50)
@given(cases(), schedules)
def test_what_a_slot_draws_from_does_not_depend_on_its_company(
    case: Case, schedule: list[tuple[list[int], int | None]]
) -> None:
    """In single precision, and to the bit."""
    grid = case.grid
    network = random_network(case.config, grid)
    features = random_features(grid, SLOTS, spatial=case.spatial)
    seen: list[dict[tuple[int, int, int], Tensor]] = []
    for alone in (False, True):
        sampler = GridSampler(network, grid, SLOTS, spatial=case.spatial)
        for slot in range(SLOTS):
            uniforms = code_uniforms(slot, 0, grid.symbols)
            sampler.begin(slot, features[slot], Draw(1.0, grid.values, 1.0, uniforms))
        with recorded_logits() as logits:
            for slots, _ in schedule:
                chosen = [slot for slot in slots if sampler.position(slot) < grid.places]
                for each in [[slot] for slot in chosen] if alone else [chosen] * bool(chosen):
                    sampler.step(each)
        seen.append(logits)
    assert seen[0].keys() == seen[1].keys()
    assert all(torch.equal(logits, seen[1][key]) for key, logits in seen[0].items())


@contextmanager
def recorded_logits() -> Iterator[dict[tuple[int, int, int], Tensor]]:
    """Within, what symbols are drawn from, by slot, place and channel."""
    found: dict[tuple[int, int, int], Tensor] = {}
    choose = Draws.choose

    def watched(draws: Draws, slots: list[int], places: list[int]) -> Choose:
        drawn = choose(draws, slots, places)

        def kept(logits: Tensor, channel: int) -> Tensor:
            for slot, place, row in zip(slots, places, logits, strict=True):
                if slot < SLOTS:  # else it is there to fill the batch
                    assert torch.equal(found.setdefault((slot, place, channel), row.clone()), row)
            return drawn(logits, channel)

        return kept

    with patch.object(Draws, "choose", watched):
        yield found
