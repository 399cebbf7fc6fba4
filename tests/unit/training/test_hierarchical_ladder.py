"""What is shown of samples that were cut short is what a server would show, and the curve follows the distances."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hierarchies import MASKED, hierarchy_config, level_config, random_hierarchy

from models.config import SamplingDefaults
from models.hierarchical.anytime import HierarchicalModel
from models.hierarchical.sampling import sample_symbols
from models.runtime.protocol import SampleRequest
from training.evaluation.intervals import Estimate
from training.hierarchical.drawing import draw_below, draw_pixels
from training.hierarchical.ladder import BELOW, TOP, Ladder, quality_curve, rungs
from training.hierarchical.report import LadderFacts, RungFacts

CONFIG = hierarchy_config(level_config(MASKED, channels=2), level_config(), channels=3, edge=4)  # 1 + 4 + 16 places
LABELLED = [0, 2, 1]
SEED = 5


@pytest.fixture(scope="module")
def ladder() -> Ladder:
    hierarchy = random_hierarchy(CONFIG)
    return Ladder(hierarchy, sample_symbols(hierarchy, LABELLED, SEED, SamplingDefaults()), torch.tensor(LABELLED), 1)


def facts(*rows: tuple[int, float]) -> LadderFacts:
    estimates = [RungFacts(codes=codes, distance=Estimate(value=v, low=v, high=v)) for codes, v in rows]
    drop = rows[0][1] - rows[-1][1]
    return LadderFacts(
        name="FD",
        reference_images=9,
        samples=9,
        top="pass",
        below="auxiliary",
        rungs=tuple(estimates),
        drop=Estimate(value=drop, low=drop, high=drop),
    )


def test_rungs_are_none_all_and_shares_of_each_grid() -> None:
    assert rungs(CONFIG) == [0, 1, 2, 3, 5, 7, 9, 13, 21]


@pytest.mark.parametrize("codes", [0, 1, 3, 5, 8, 20, 21])
def test_the_kept_fillings_are_those_of_the_served_model(ladder: Ladder, codes: int) -> None:
    model = HierarchicalModel(random_hierarchy(CONFIG), len(LABELLED))
    slots = range(len(LABELLED))
    for slot, label in enumerate(LABELLED):
        model.begin(slot, SampleRequest(SEED, slot, label))
    if codes:
        model.step(list(slots), codes)
    served = model.decode(list(slots)).media
    found = ladder.pictures_after(codes).numpy()
    assert np.array_equal(found, np.rint(served * 255).astype(np.uint8))


def test_other_fillings_leave_what_is_drawn(ladder: Ladder) -> None:
    """All agree where nothing is missing, and below keep every pixel that was drawn."""
    whole = ladder.pictures_after(21)
    for top in TOP:
        for below in BELOW:
            assert torch.equal(ladder.pictures_after(21, top, below), whole)
            partly = ladder.pictures_after(5 + 7, top, below).flatten(2)
            assert torch.equal(partly[:, :, :7], whole.flatten(2)[:, :, :7])
    assert not torch.equal(ladder.pictures_after(5, below="pass"), ladder.pictures_after(5))


def test_pixels_drawn_early_are_given_the_guess_of_what_is_between() -> None:
    hierarchy = random_hierarchy(CONFIG)
    codes = sample_symbols(hierarchy, LABELLED, SEED, SamplingDefaults())[-1]
    pixels, between, top = draw_pixels(hierarchy, codes, SEED, SamplingDefaults())
    assert torch.equal(top, codes)
    assert torch.equal(between, hierarchy.levels[1].guess(codes))
    assert pixels.shape == draw_below(hierarchy, codes, SEED, SamplingDefaults())[0].shape


def test_the_curve_is_the_share_of_the_reduction() -> None:
    curve = quality_curve(facts((0, 9.0), (2, 3.0), (6, 1.0)))
    assert curve == pytest.approx((0, 0.375, 0.75, 0.8125, 0.875, 0.9375, 1))
    bumpy = quality_curve(facts((0, 9.0), (2, 9.5), (4, 2.0), (6, 1.0)))
    gains = [after - before for before, after in pairwise(bumpy)]
    assert (bumpy[0], bumpy[-1]) == (0, 1)
    assert gains == sorted(gains, reverse=True)
    assert min(gains) >= 0


def test_without_a_reduction_all_codes_are_worth_the_same() -> None:
    assert quality_curve(facts((0, 1.0), (2, 3.0), (4, 1.0))) == (0, 0.25, 0.5, 0.75, 1)
