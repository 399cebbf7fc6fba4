"""A hierarchy behind the interface that the service knows: what it shows when, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hierarchies import FEED_FORWARD, LABELS, hierarchy_config, level_config, random_hierarchy

from models.config import SamplingDefaults
from models.hierarchical import packing
from models.hierarchical.anytime import HierarchicalModel
from models.hierarchical.config import HierarchyConfig
from models.hierarchical.residual import intensities
from models.hierarchical.sampling import sample_symbols
from models.runtime.protocol import SampleRequest

# 2 x 2 codes of two bits and more, 4 x 4 codes of three channels, 8 x 8 pixels of two.
CONFIG = hierarchy_config(level_config(FEED_FORWARD, channels=3), level_config(), channels=2)
TOP, MIDDLE, PIXELS = 4, 16, 64


@pytest.fixture(scope="module")
def model() -> HierarchicalModel:
    return HierarchicalModel(random_hierarchy(CONFIG), slots=2)


def picture(model: HierarchicalModel, request: SampleRequest, codes: int) -> torch.Tensor:
    """After so many codes."""
    model.begin(0, request)
    if codes:
        model.step([0], codes)
    decoded = model.decode([0])
    assert [len(each) for each in decoded.codes] == [codes]
    model.release(0)
    return torch.from_numpy(decoded.media[0])


def test_complete_samples_are_those_of_ancestral_sampling(model: HierarchicalModel) -> None:
    hierarchy = random_hierarchy(CONFIG)
    symbols = sample_symbols(hierarchy, [2, None], 7, SamplingDefaults(), batch=2)
    for sample, label in enumerate((2, None)):
        drawn = picture(model, SampleRequest(7, sample, label), TOP + MIDDLE + PIXELS)
        assert torch.equal(drawn, intensities(symbols[0][sample], CONFIG.pixels))


def test_what_is_not_drawn_is_guessed_by_the_auxiliary_decoders(model: HierarchicalModel) -> None:
    hierarchy = random_hierarchy(CONFIG)
    symbols = sample_symbols(hierarchy, [1], 3, SamplingDefaults())
    request = SampleRequest(3, 0, 1)
    assert torch.equal(picture(model, request, TOP), intensities(hierarchy.guess(symbols[2]), CONFIG.pixels)[0])
    # Some codes of the middle grid, the rest of it guessed from those above.
    middle = hierarchy.levels[1].guess(symbols[2])
    middle.view(1, 3, -1)[..., :5] = symbols[1].view(1, 3, -1)[..., :5]
    expected = hierarchy.levels[0].guess(middle)
    assert torch.equal(picture(model, request, TOP + 5), intensities(expected, CONFIG.pixels)[0])
    # Some pixels, and below them the guess from all codes.
    pixels = hierarchy.levels[0].guess(symbols[1])
    pixels.view(1, 2, -1)[..., :19] = symbols[0].view(1, 2, -1)[..., :19]
    drawn = picture(model, request, TOP + MIDDLE + 19)
    assert torch.equal(drawn, intensities(pixels, CONFIG.pixels)[0])


def test_missing_topmost_codes_are_the_likeliest_of_the_label(model: HierarchicalModel) -> None:
    hierarchy = random_hierarchy(CONFIG)
    drawn = sample_symbols(hierarchy, [1], 3, SamplingDefaults())[2]
    for known in range(TOP):
        filled = sample_symbols(hierarchy, [1], 0, SamplingDefaults(temperature=0))[2].clone()
        filled.view(-1)[:known] = drawn.view(-1)[:known]
        expected = intensities(hierarchy.guess(filled), CONFIG.pixels)[0]
        assert torch.equal(picture(model, SampleRequest(3, 0, 1), known), expected)


def test_slots_that_are_not_equally_far_decode_together(model: HierarchicalModel) -> None:
    requests = [SampleRequest(1, 0, 0), SampleRequest(2, 0, 2)]
    for slot, request in enumerate(requests):
        model.begin(slot, request)
    model.step([0], 3)
    model.step([1], TOP + MIDDLE + 8)
    together = model.decode([1, 0])
    for slot in (0, 1):
        model.release(slot)
    for row, (request, codes) in enumerate(((requests[1], TOP + MIDDLE + 8), (requests[0], 3))):
        alone = picture(model, request, codes)
        np.testing.assert_array_equal(together.media[row], alone.numpy())


def test_a_code_is_all_symbols_of_one_place() -> None:
    grid = CONFIG.grids[1]
    symbols = torch.tensor([[1, 2, 3], [7, 0, 7]])
    codes = packing.packed(symbols, grid)
    assert codes == [1 * 64 + 2 * 8 + 3, 7 * 64 + 7]
    assert torch.equal(packing.unpacked(codes, grid), symbols)


@pytest.mark.parametrize("codes", range(TOP + MIDDLE + PIXELS + 1))
def test_where_a_number_of_codes_ends(codes: int) -> None:
    grid, places = packing.reached(CONFIG, codes)
    before = {2: 0, 1: TOP, 0: TOP + MIDDLE}[grid]
    assert before + places == codes
    assert places < CONFIG.grids[grid].places or grid == 0
    assert sum(len(part) for part in packing.parts(range(codes), CONFIG).values()) == codes


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (SampleRequest(-1), "seed"),
        (SampleRequest(0, label=LABELS), "label"),
        (SampleRequest(0, codes=(8,)), "codes"),
        (SampleRequest(0, codes=(0,) * (TOP + MIDDLE + PIXELS + 1)), "codes"),
        (SampleRequest(0, codes=(0,) * TOP + (512,)), "codes"),
    ],
    ids=str,
)
def test_requests_out_of_range_are_refused(model: HierarchicalModel, request_: SampleRequest, field: str) -> None:
    with pytest.raises(ValueError, match=f"{field} is out of range"):
        model.begin(0, request_)
    model.check_integrity()


def test_illegal_steps_change_nothing(model: HierarchicalModel) -> None:
    model.begin(0, SampleRequest(0))
    for slots, codes, problem in (
        ([], 1, "needs distinct slots"),
        ([0, 0], 1, "needs distinct slots"),
        ([0, 1], 1, "slot 1 is free"),
        ([0], 0, "draws at least one code"),
        ([0], TOP + MIDDLE + PIXELS + 1, "no room"),
    ):
        with pytest.raises(ValueError, match=problem):
            model.step(slots, codes)
    assert model.position(0) == 0
    model.release(0)
    with pytest.raises(ValueError, match="slot 0 is free"):
        model.release(0)


def test_a_grid_that_outlives_its_slot_is_noticed() -> None:
    small: HierarchyConfig = hierarchy_config(level_config(), edge=4)
    model = HierarchicalModel(random_hierarchy(small), 1)
    model.begin(0, SampleRequest(0))
    model.step([0])
    model.check_integrity()
    model._table.release(0)
    with pytest.raises(AssertionError, match=r"disagree about slots \[0\]"):
        model.check_integrity()
