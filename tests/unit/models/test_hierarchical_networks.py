"""The networks of a hierarchical model: what they see, what they must not see, and their shapes."""

from __future__ import annotations

import itertools

import pytest
import torch
from hierarchies import (
    FEED_FORWARD,
    LABELS,
    MASKED,
    NET,
    hierarchy_config,
    level_config,
    random_features,
    random_hierarchy,
    random_level,
    random_network,
    random_symbols,
)
from torch.nn.functional import one_hot

from models.hierarchical.bottleneck import Bottleneck
from models.hierarchical.causal import timing_signal, unit_channels
from models.hierarchical.config import CodesConfig, GatedPixelCNNConfig, Grid
from models.hierarchical.masking import at_places, draw_masks
from models.hierarchical.residual import (
    OneHotInput,
    ResidualBlock,
    ResidualNet,
    downsampling,
    intensities,
    pixels,
    upsampling,
)

GREY = Grid(channels=1, height=4, width=5, bits=3)
COLOUR = Grid(channels=3, height=4, width=5, bits=3)
SEEING_ALL = {"layers": 5, "hidden": 24, "filter": 3}


@pytest.mark.parametrize("grid", [GREY, COLOUR], ids=["grey", "colour"])
@pytest.mark.parametrize(
    "more",
    [{}, {"filter": 5, "residual": 7}, {"timing": "add"}, {"timing": "concat"}, {"attention": 2, "heads": 2}],
    ids=str,
)
def test_logits_depend_on_every_symbol_before_and_on_no_other(grid: Grid, more: dict[str, object]) -> None:
    if grid.channels > 1 and "attention" in more:
        more = {"layers": 6}  # attention is for one channel
    network = random_network(GatedPixelCNNConfig.model_validate({**SEEING_ALL, **more}), grid, torch.float64)
    # In several contexts, since in any one of them the few units behind some logits may all be off.
    symbols, features = random_symbols(grid, 4), random_features(grid, 4, spatial=True, dtype=torch.float64)
    order = [(c, r, col) for r in range(grid.height) for col in range(grid.width) for c in range(grid.channels)]
    logits = network(symbols, features)
    for index, (channel, row, column) in enumerate(order):
        changed = symbols.clone()
        changed[:, channel, row, column] += 1
        changed %= grid.values
        moved = (network(changed, features) != logits).any(-1).any(0)  # (C, H, W)
        affected = [bool(moved[place]) for place in order]
        assert not any(affected[: index + 1])
        assert affected[index + 1 :] == [True] * (len(order) - index - 1)


def test_features_reach_the_logits_of_their_place_and_no_row_above() -> None:
    network = random_network(GatedPixelCNNConfig(layers=2, hidden=6), GREY)
    symbols, features = random_symbols(GREY, 1), random_features(GREY, 1, spatial=True)
    changed = features.clone()
    changed[0, :, 1, 2] += 1
    moved = (network(symbols, changed) != network(symbols, features)).any(-1)[0, 0]
    assert moved[1, 2]
    assert not moved[0].any()


def test_units_belong_to_channels_in_order_and_as_evenly_as_can_be() -> None:
    for units, channels in itertools.product(range(1, 20), range(1, 5)):
        if units >= channels:
            found = unit_channels(units, channels)
            counts = found.bincount(minlength=channels)
            assert torch.equal(found, found.sort().values)
            assert counts.max() - counts.min() <= 1


def test_heads_need_not_divide_the_hidden_units() -> None:
    """Table 4 has 15 for 640."""
    network = random_network(GatedPixelCNNConfig(layers=1, hidden=8, attention=1, heads=3), GREY)
    assert network(random_symbols(GREY, 2), random_features(GREY, 2, spatial=False)).shape == (2, 1, 4, 5, 8)


def test_the_timing_signal_tells_places_apart() -> None:
    signal = timing_signal(9, 16, 16).flatten(1).t()
    assert signal.abs().max() <= 1
    assert torch.cdist(signal, signal).fill_diagonal_(1).min() > 0.01
    assert torch.equal(signal[:, 8], torch.zeros(256))  # what four does not divide
    assert torch.equal(timing_signal(3, 4, 4), torch.zeros(3, 4, 4))


def test_a_residual_block_is_relu_3x3_relu_1x1() -> None:
    block = ResidualBlock(4, 3)
    x = torch.randn(2, 4, 5, 6)
    inner = torch.conv2d(x.relu(), block.narrow.weight, block.narrow.bias, padding=1).relu()
    expected = x + torch.conv2d(inner, block.widen.weight, block.widen.bias)
    torch.testing.assert_close(block(x), expected)
    assert block.narrow.weight.shape == (3, 4, 3, 3)
    assert block.widen.weight.shape == (4, 3, 1, 1)


def test_a_net_without_layers_still_ends_with_relu() -> None:
    net = ResidualNet(NET.model_copy(update={"layers": 0}))
    assert torch.equal(net(torch.tensor([-1.0, 2.0])), torch.tensor([0.0, 2.0]))


@pytest.mark.parametrize("halvings", [1, 2, 3])
def test_strided_and_subpixel_convolutions_change_edges_by_powers_of_two(halvings: int) -> None:
    x = torch.randn(2, 6, 16, 8)
    small = downsampling(halvings, 6, 5)(x)
    assert small.shape == (2, 5, 16 >> halvings, 8 >> halvings)
    assert upsampling(halvings, 5, 6)(small).shape == x.shape
    assert [layer.stride for layer in downsampling(halvings, 6, 5) if hasattr(layer, "stride")] == [(2, 2)] * halvings


def test_symbols_go_in_as_if_they_were_one_hot() -> None:
    layer = OneHotInput(COLOUR, 6)
    x = random_symbols(COLOUR, 2)
    hot = one_hot(x, COLOUR.values).permute(0, 1, 4, 2, 3).flatten(1, 2).float()  # (B, C * V, H, W)
    expected = torch.conv2d(hot, layer.weight.t()[:, :, None, None], layer.bias)
    torch.testing.assert_close(layer(x), expected)
    kept = torch.rand(2, 4, 5) > 0.3
    masked = torch.conv2d(hot * kept[:, None], layer.weight.t()[:, :, None, None], layer.bias)
    torch.testing.assert_close(layer(x, kept), masked)


def test_a_masked_pixel_differs_from_a_black_one() -> None:
    layer = OneHotInput(GREY, 6)
    black = torch.zeros(1, 1, 4, 5, dtype=torch.int64)
    nothing = torch.zeros(1, 4, 5, dtype=torch.bool)
    assert (layer(black) != layer(black, nothing)).all()


@pytest.mark.parametrize("size", [1, 3, 5, 19])
def test_masks_are_squares_around_distinct_centres(size: int) -> None:
    config = MASKED.model_copy(update={"size": size})
    masks = draw_masks(config, 4, 12, 9, torch.Generator().manual_seed(0))
    assert masks.centres.shape == (4, config.masks)
    for kept, centres in zip(masks.kept, masks.centres.tolist(), strict=True):
        assert len(set(centres)) == len(centres)
        expected = torch.ones(12, 9, dtype=torch.bool)
        for row, column in (divmod(centre, 9) for centre in centres):
            expected[
                max(row - size // 2, 0) : row + size // 2 + 1, max(column - size // 2, 0) : column + size // 2 + 1
            ] = 0
        assert torch.equal(kept, expected)


def test_a_small_grid_has_a_mask_around_each_place() -> None:
    masks = draw_masks(MASKED, 2, 3, 3, torch.Generator().manual_seed(0))
    assert [sorted(row) for row in masks.centres.tolist()] == [list(range(9))] * 2


def test_features_at_places_are_in_reading_order() -> None:
    features = torch.arange(2 * 3 * 4 * 5).view(2, 3, 4, 5)
    found = at_places(features, torch.tensor([[7, 0], [19, 6]]))
    assert torch.equal(found[0, 0], features[0, :, 1, 2])
    assert torch.equal(found[1, 0], features[1, :, 3, 4])


def test_each_channel_of_a_bottleneck_has_its_own_codebook() -> None:
    bottleneck = Bottleneck(CodesConfig(channels=2, bits=2, dim=3))
    for quantiser in bottleneck.quantisers:
        torch.nn.init.normal_(quantiser.codebook)
    z = torch.randn(2, 6, 3, 4)
    chosen = bottleneck(z)
    for channel, quantiser in enumerate(bottleneck.quantisers):
        own = z[:, 3 * channel : 3 * channel + 3].movedim(1, -1)
        distances = torch.cdist(own.reshape(-1, 3), quantiser.codebook)
        assert torch.equal(chosen.codes[:, channel].flatten(), distances.argmin(1))
        entries = chosen.vectors[:, 3 * channel : 3 * channel + 3].movedim(1, -1)
        assert torch.equal(entries, quantiser.codebook[chosen.codes[:, channel]])
    assert torch.equal(bottleneck.lookup(chosen.codes), chosen.vectors)


@pytest.mark.parametrize("auxiliary", [FEED_FORWARD, MASKED], ids=["feed-forward", "masked"])
@pytest.mark.parametrize("ordinal", [True, False])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_level_goes_to_codes_and_back(auxiliary: object, ordinal: bool, channels: int) -> None:
    grid = Grid(channels=3, height=8, width=8, bits=4)
    config = level_config(channels=channels, reduction=4).model_copy(update={"auxiliary": auxiliary})
    level = random_level(config, grid, ordinal=ordinal).eval()
    crop = Grid(channels=3, height=8, width=12, bits=4)
    x = random_symbols(crop, 2)
    codes = level.encode(x)
    assert codes.shape == (2, channels, 2, 3)
    assert 0 <= codes.min() <= codes.max() < 8
    assert level(x, codes).shape == (2, 3, 8, 12, 16)
    guess = level.guess(codes)
    assert guess.shape == x.shape
    assert 0 <= guess.min() <= guess.max() < 16
    assert level.squared == (ordinal and auxiliary == FEED_FORWARD)
    output = level.reconstruct(level.bottleneck.lookup(codes))
    assert output.shape == (x.shape if level.squared else (*x.shape, 16))


def test_a_guess_is_the_mean_of_pixels_and_the_likeliest_of_codes() -> None:
    grid = Grid(channels=1, height=8, width=8, bits=2)
    shares = torch.tensor([0.4, 0.0, 0.3, 0.3]).clamp(min=1e-9)
    for ordinal, expected in ((True, 2), (False, 0)):
        level = random_level(level_config(MASKED), grid, ordinal=ordinal)
        level.head.weight.data.zero_()
        level.head.bias.data = shares.log()
        assert torch.equal(level.guess(torch.zeros(1, 1, 4, 4, dtype=torch.int64)), torch.full((1, 1, 8, 8), expected))


def test_pixels_survive_the_way_to_intensities_and_back() -> None:
    symbols = torch.arange(GREY.values).view(1, 1, 2, 4)
    assert torch.equal(pixels(intensities(symbols, GREY), GREY), symbols)
    assert [bound.item() for bound in intensities(symbols, GREY).aminmax()] == [0, 1]
    assert torch.equal(pixels(torch.tensor([-3.0, 7.0]), GREY), torch.tensor([0, 7]))


def test_a_hierarchy_encodes_level_by_level_and_guesses_back() -> None:
    config = hierarchy_config(level_config(MASKED, channels=2), level_config(), channels=3)
    hierarchy = random_hierarchy(config)
    x = random_symbols(config.pixels, 2)
    symbols = hierarchy.encode(x)
    assert [tuple(each.shape[1:]) for each in symbols] == [(3, 8, 8), (2, 4, 4), (1, 2, 2)]
    assert torch.equal(symbols[2], hierarchy.levels[1].encode(hierarchy.levels[0].encode(x)))
    assert torch.equal(hierarchy.guess(symbols[2]), hierarchy.levels[0].guess(hierarchy.levels[1].guess(symbols[2])))


def test_the_prior_knows_labels_and_that_there_is_none() -> None:
    hierarchy = random_hierarchy(hierarchy_config(level_config()))
    codes = random_symbols(hierarchy.config.grids[-1], 1).expand(LABELS + 1, -1, -1, -1)
    logits = hierarchy.prior(codes, torch.arange(LABELS + 1))
    assert hierarchy.prior.null_label == LABELS
    assert logits.flatten(1).unique(dim=0).shape[0] == LABELS + 1
