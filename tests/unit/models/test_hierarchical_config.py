"""Configurations of hierarchical models, and the paper's own."""

from __future__ import annotations

from typing import Any

import pytest
from hierarchies import FEED_FORWARD, MASKED, NET, hierarchy_config, level_config
from pydantic import ValidationError

from models.hierarchical.config import GatedPixelCNNConfig, Grid, HierarchyConfig, LevelConfig, MaskedConfig
from models.hierarchical.counting import parameters_by_part
from models.hierarchical.named import NAMED, PAPER


def test_each_level_is_made_of_the_codes_of_the_one_below() -> None:
    config = hierarchy_config(level_config(reduction=2, channels=3), level_config(bits=5), channels=3)
    assert config.grids == (
        Grid(channels=3, height=8, width=8, bits=4),
        Grid(channels=3, height=4, width=4, bits=3),
        Grid(channels=1, height=2, width=2, bits=5),
    )
    assert config.first_symbols == (4 + 48, 4, 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"levels": ()}, "levels"),
        ({"levels": (level_config(reduction=16),)}, r"levels.0.reduction: 16 does not divide 8 x 8"),
        ({"levels": (level_config(channels=2),)}, r"prior.attention: is for grids of one channel, and this one has 2"),
        (
            {"pixels": Grid(channels=10, height=8, width=8, bits=4)},
            r"levels.0.local.hidden: needs a unit for each of 10 channels",
        ),
    ],
)
def test_what_does_not_fit_together_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        HierarchyConfig.model_validate({**dict(hierarchy_config(level_config())), **change})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"filter": 4}, r"filter \(4\) must be odd"),
        ({"attention": 3}, r"attention \(3\) must not exceed layers \(2\)"),
        ({"heads": 9}, r"heads \(9\) must not exceed hidden \(8\)"),
    ],
)
def test_sizes_of_a_pixelcnn_that_make_no_sense(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        GatedPixelCNNConfig.model_validate({"layers": 2, "hidden": 8, **change})


def test_other_sizes_that_make_no_sense() -> None:
    with pytest.raises(ValidationError, match=r"size \(4\) must be odd"):
        MaskedConfig(network=NET, teacher=NET, size=4)
    with pytest.raises(ValidationError, match=r"reduction \(6\) must be a power of two"):
        level_config(reduction=6)


@pytest.mark.parametrize(
    ("size", "masks"), [(1, 30), (3, 30), (5, 10), (7, 10), (9, 3), (11, 3), (13, 3), (15, 3), (17, 1), (19, 1)]
)
def test_masks_per_image_are_the_papers(size: int, masks: int) -> None:
    assert MASKED.model_copy(update={"size": size}).masks == masks


@pytest.mark.parametrize(
    ("layers", "attention", "after"),
    [(20, 5, {3, 7, 11, 15, 19}), (20, 6, {2, 5, 9, 12, 15, 19}), (8, 2, {3, 7}), (2, 2, {0, 1}), (4, 0, set())],
)
def test_attention_is_spread_evenly_up_to_the_end(layers: int, attention: int, after: set[int]) -> None:
    assert GatedPixelCNNConfig(layers=layers, hidden=8, attention=attention).attends_after == after


def test_the_papers_models_have_the_codes_that_it_says() -> None:
    codes = {name: [(g.channels, g.height, g.width, g.bits) for g in each.grids] for name, each in PAPER.items()}
    assert codes == {
        "paper-128-feed-forward": [(3, 128, 128, 8), (1, 32, 32, 9)],
        "paper-128-masked": [(3, 128, 128, 8), (1, 32, 32, 8)],
        "paper-256-feed-forward": [(3, 256, 256, 8), (1, 128, 128, 8), (1, 32, 32, 8)],
        "paper-256-masked": [(3, 256, 256, 8), (3, 64, 64, 8), (1, 32, 32, 8)],
    }


def test_the_papers_networks_have_the_layers_that_it_says() -> None:
    def shape(level: LevelConfig) -> tuple[int, ...]:
        nets = (level.encoder, level.auxiliary.network, level.modulator)
        return (*(net.layers for net in nets), level.local.layers, level.local.hidden, nets[0].hidden)

    assert {name: [shape(level) for level in each.levels] for name, each in PAPER.items()} == {
        "paper-128-feed-forward": [(16, 2, 16, 16, 128, 512)],
        "paper-128-masked": [(16, 8, 16, 20, 128, 128)],
        "paper-256-feed-forward": [(4, 1, 16, 8, 128, 512), (16, 12, 16, 8, 384, 1024)],
        "paper-256-masked": [(16, 4, 16, 20, 128, 128), (16, 8, 16, 20, 128, 128)],
    }
    table = {
        name: (p.layers, p.hidden, p.residual, p.timing, p.attention, p.heads, p.dropout)
        for name, p in ((name, each.prior) for name, each in PAPER.items())
    }
    assert table == {
        "paper-128-feed-forward": (20, 640, 2048, "add", 6, 10, 0.2),
        "paper-128-masked": (20, 640, 2048, "add", 5, 10, 0.1),
        "paper-256-feed-forward": (20, 640, 2048, "concat", 5, 15, 0.0),
        "paper-256-masked": (20, 640, 2048, "add", 5, 10, 0.1),
    }
    masked = [each.auxiliary for name in PAPER for each in PAPER[name].levels]
    assert [each.size for each in masked if isinstance(each, MaskedConfig)] == [3, 5, 3]


def test_a_configuration_survives_json() -> None:
    for config in NAMED.values():
        assert HierarchyConfig.model_validate_json(config.model_dump_json()) == config


def test_parameters_are_counted_by_part() -> None:
    """By hand, of a level and a prior that are small enough; masked weights do not count."""
    config = hierarchy_config(level_config(FEED_FORWARD), channels=3, edge=4, bits=1)
    counts = parameters_by_part(config, labels=2)
    block = (8 * 6 * 9 + 6) + (6 * 8 + 8)
    up = 4 * 4 * 8 * 9 + 4 * 8  # from 4 numbers, to four times 8
    assert counts["level 1"]["encoder"] == (3 * 8 * 9 + 8) + block + (8 * 4 * 16 + 4)
    assert counts["level 1"]["bottleneck"] == 8 * 4
    assert counts["level 1"]["modulator"] == up + block
    assert counts["level 1"]["auxiliary"] == up + block + 3 * 8 + 3
    # Of the 9 units each channel has 3; 18 go into the gates. Of its own place, a unit sees 0, 3 or 6 in the first
    # layer, and 3, 6 or 9 in every other 1x1 convolution.
    vertical, across, condition = 9 * 18 * 6 + 18, 18 * 18, 8 * 36
    strict, within = 3 * (0 + 3 + 6), 3 * (3 + 6 + 9)
    first = vertical + across + condition + (9 * 18 + 2 * strict + 18) + within
    second = vertical + across + condition + (9 * 18 + 2 * within + 18) + within
    head = 2 * (3 + 6 + 9) + 6
    assert counts["level 1"]["local"] == 2 * 9 + first + second + (within + 9) + head
    assert set(counts) == {"level 1", "prior"}
    assert "teacher" not in counts["level 1"]


def test_the_sizes_of_the_papers_models_are_known_without_their_memory() -> None:
    for config in PAPER.values():
        counts = parameters_by_part(config, labels=1000)
        assert [name for name in counts if name != "prior"] == [f"level {n + 1}" for n in range(len(config.levels))]
        assert 400e6 < counts["prior"]["prior"] < 450e6
