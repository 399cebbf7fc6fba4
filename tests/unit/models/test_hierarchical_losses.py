"""What a level and a prior are trained by: the numbers, and whom each gradient reaches."""

from __future__ import annotations

import math

import pytest
import torch
from hierarchies import (
    FEED_FORWARD,
    LABELS,
    MASKED,
    hierarchy_config,
    level_config,
    random_hierarchy,
    random_level,
    random_symbols,
)
from torch import nn
from torch.nn.functional import cross_entropy

from models.estimators import rotated
from models.hierarchical.config import AuxiliaryConfig, Grid, MaskedConfig
from models.hierarchical.level import Level
from models.hierarchical.losses import LevelLosses, LevelPass, bits, level_pass, negative_log_likelihood, prior_loss
from models.hierarchical.masking import Masks, draw_masks

GRID = Grid(channels=2, height=8, width=8, bits=3)
PARTS = ("encoder", "bottleneck", "auxiliary", "head", "teacher", "modulator", "local")


def new_level(auxiliary: AuxiliaryConfig, *, ordinal: bool = True, channels: int = 2) -> Level:
    return random_level(level_config(auxiliary, channels=channels), GRID, ordinal=ordinal)


def masks_for(level: Level, batch: int) -> Masks | None:
    auxiliary = level.config.auxiliary
    if not isinstance(auxiliary, MaskedConfig):
        return None
    return draw_masks(auxiliary, batch, GRID.height, GRID.width, torch.Generator().manual_seed(0))


def one_pass(level: Level, count: int = 3) -> LevelPass:
    return level_pass(level, random_symbols(GRID, count), masks_for(level, count), 0.25)


def reached(level: Level, term: str) -> set[str]:
    """The parts with a weight that the gradient of a term reaches."""
    level.zero_grad(set_to_none=True)
    getattr(one_pass(level).losses, term).backward()
    modules: dict[str, nn.Module | None] = {name: getattr(level, name) for name in PARTS}
    return {
        name
        for name, module in modules.items()
        if module and any(each.grad is not None and each.grad.any() for each in module.parameters())
    }


@pytest.mark.parametrize("ordinal", [True, False])
@pytest.mark.parametrize("auxiliary", [FEED_FORWARD, MASKED], ids=["feed-forward", "masked"])
def test_each_term_trains_its_own_networks_and_no_other(auxiliary: AuxiliaryConfig, ordinal: bool) -> None:
    """Nothing goes from the autoregressive decoder to the encoder, nor from the student to its teacher."""
    level = new_level(auxiliary, ordinal=ordinal)
    assert reached(level, "auxiliary") == {"encoder", "auxiliary", "head"}
    assert reached(level, "commitment") == {"encoder"}
    assert reached(level, "decoder") == {"modulator", "local"}
    if auxiliary == MASKED:
        assert reached(level, "teacher") == {"teacher"}
    else:
        assert one_pass(level).losses.teacher == 0
    everyone = {"encoder", "auxiliary", "head", "modulator", "local"}
    assert reached(level, "total") == everyone | ({"teacher"} if auxiliary == MASKED else set())


def test_the_terms_by_their_formulas() -> None:
    """Feed-forward, level 1: algorithm 2, section 2.2 and the decoder's likelihood, each per symbol."""
    level = new_level(FEED_FORWARD)
    x = random_symbols(GRID, 3)
    done = level_pass(level, x, None, 0.5)
    z = level.encoder(x)
    chosen = level.bottleneck(z)
    reconstruction = level.head(level.auxiliary(chosen.vectors).movedim(1, -1)).movedim(-1, 1)
    symbols = x.numel()
    torch.testing.assert_close(done.losses.auxiliary, (reconstruction - x / 7).square().sum() / symbols)
    torch.testing.assert_close(done.losses.commitment, 0.5 * (z - chosen.vectors).square().sum() / symbols)
    likelihoods = level(x, chosen.codes).log_softmax(-1).gather(-1, x[..., None])
    torch.testing.assert_close(done.losses.decoder, -likelihoods.mean())
    torch.testing.assert_close(done.losses.total, torch.stack(list(done.losses)).sum())


def test_codes_are_reconstructed_by_their_likelihood() -> None:
    level = new_level(FEED_FORWARD, ordinal=False)
    x = random_symbols(GRID, 3)
    logits = level.reconstruct(level.bottleneck(level.encoder(x)).vectors)
    expected = cross_entropy(logits.movedim(-1, 1), x)
    torch.testing.assert_close(level_pass(level, x, None, 0.5).losses.auxiliary, expected)


def test_the_student_is_compared_with_its_teacher_at_the_centres_of_masks() -> None:
    """Algorithm 3, by a loop over images, masks and channels."""
    level = new_level(MASKED)
    assert level.teacher is not None
    x, masks = random_symbols(GRID, 2), masks_for(level, 2)
    assert masks is not None
    done = level_pass(level, x, masks, 0.0)
    taught = level.teacher.head(level.teacher(x, masks.kept).movedim(1, -1)).log_softmax(-1)  # (B, H, W, C, V)
    learnt = level.reconstruct(level.bottleneck(level.encoder(x)).vectors).movedim(1, 3).log_softmax(-1)
    divergences, surprises = [], []
    for image, centres in enumerate(masks.centres.tolist()):
        for row, column in (divmod(centre, GRID.width) for centre in centres):
            for channel in range(GRID.channels):
                of_teacher, of_student = (each[image, row, column, channel] for each in (taught, learnt))
                divergences.append((of_teacher.exp() * (of_teacher - of_student)).sum())
                surprises.append(-of_teacher[x[image, channel, row, column]])
    torch.testing.assert_close(done.losses.auxiliary, torch.stack(divergences).mean())
    torch.testing.assert_close(done.losses.teacher, torch.stack(surprises).mean())


def test_the_teacher_never_sees_what_it_predicts() -> None:
    level = new_level(MASKED)
    assert level.teacher is not None
    masks = masks_for(level, 1)
    assert masks is not None
    x = random_symbols(GRID, 1)
    changed = torch.where(masks.kept[:, None], x, (x + 1) % GRID.values)
    assert not torch.equal(x, changed)
    assert torch.equal(level.teacher(x, masks.kept), level.teacher(changed, masks.kept))


def test_masks_go_with_a_teacher() -> None:
    x = random_symbols(GRID, 2)
    with pytest.raises(ValueError, match="masks are for a level with a teacher"):
        level_pass(new_level(MASKED), x, None, 0.25)
    with pytest.raises(ValueError, match="masks are for a level with a teacher"):
        level_pass(new_level(FEED_FORWARD), x, masks_for(new_level(MASKED), 2), 0.25)


def test_what_is_observed_is_by_channel_and_cut_off() -> None:
    level = new_level(FEED_FORWARD)
    done = one_pass(level, 3)
    assert [(vectors.shape, codes.shape) for vectors, codes in done.observed] == [((48, 4), (48,))] * 2
    for (vectors, codes), quantiser in zip(done.observed, level.bottleneck.quantisers, strict=True):
        assert not vectors.requires_grad
        assert torch.equal(quantiser.nearest(vectors), codes)


def test_another_estimator_carries_the_gradient_to_the_same_place() -> None:
    level = new_level(FEED_FORWARD)
    x = random_symbols(GRID, 2)
    plain, turned = level_pass(level, x, None, 0.25), level_pass(level, x, None, 0.25, rotated)
    torch.testing.assert_close(plain.losses, turned.losses)
    turned.losses.auxiliary.backward()  # type: ignore[no-untyped-call]
    assert all(each.grad is not None for each in level.encoder.parameters())


def test_likelihood_of_nothing_known_is_the_bits_of_a_symbol() -> None:
    symbols = random_symbols(GRID, 2)
    loss = negative_log_likelihood(torch.zeros(*symbols.shape, GRID.values), symbols)
    assert bits(loss).item() == pytest.approx(GRID.bits)


def test_the_priors_loss_is_per_code() -> None:
    hierarchy = random_hierarchy(hierarchy_config(level_config()))
    codes, labels = random_symbols(hierarchy.config.grids[-1], 3), torch.tensor([0, LABELS, 2])
    likelihoods = hierarchy.prior(codes, labels).log_softmax(-1).gather(-1, codes[..., None])
    torch.testing.assert_close(prior_loss(hierarchy.prior, codes, labels), -likelihoods.mean())


@pytest.mark.parametrize(
    "auxiliary", [FEED_FORWARD, MASKED.model_copy(update={"size": 1})], ids=["feed-forward", "masked"]
)
def test_a_level_learns_a_few_pictures(auxiliary: AuxiliaryConfig) -> None:
    """Smooth pictures, which a few codes can tell apart; every term but the commitment falls."""
    level = new_level(auxiliary, channels=1)
    for quantiser in level.bottleneck.quantisers:
        nn.init.normal_(quantiser.codebook)
    rows = torch.arange(8)[:, None].expand(8, 8)
    x = torch.stack([rows, rows.t(), 7 - rows])[:, None].expand(-1, 2, -1, -1)
    optimiser = torch.optim.Adam(level.parameters(), 3e-3)
    history: list[LevelLosses] = []
    for step in range(150):
        masks = None
        if isinstance(auxiliary, MaskedConfig):
            masks = draw_masks(auxiliary, 3, 8, 8, torch.Generator().manual_seed(step))
        losses = level_pass(level, x, masks, 0.25).losses
        optimiser.zero_grad()
        losses.total.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        history.append(LevelLosses(*[each.detach() for each in losses]))

    assert history[-1].decoder < 0.5 * math.log(8)
    if isinstance(auxiliary, MaskedConfig):
        assert history[-1].teacher < 0.6 * history[0].teacher
    else:
        assert history[-1].auxiliary < 0.5 * history[0].auxiliary
