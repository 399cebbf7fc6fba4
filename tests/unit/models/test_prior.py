from __future__ import annotations

from functools import cache

import pytest
import torch
from factories import PRIORS, tiny_manifest, tiny_networks
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from models.config import PixelCNNConfig
from models.prior import PixelCNNPrior, Prior
from models.runtime.cached_prior import CachedPrior
from models.runtime.incremental import incremental

CODES = tiny_manifest().codes
every_kind = pytest.mark.parametrize("kind", PRIORS)


@cache
def prior_of(kind: str) -> Prior:
    return tiny_networks(tiny_manifest(prior=PRIORS[kind])).prior


def changed_by(prior: Prior, code: int) -> Tensor:
    """(K,): whether the logits of a position change with a code, in any of some samples."""
    generator = torch.Generator().manual_seed(code)
    codes = torch.randint(8, (20, prior.codes), generator=generator)
    labels = torch.randint(prior.null_label + 1, (20,), generator=generator)
    other = codes.clone()
    other[:, code] = (other[:, code] + 1) % 8
    differences: Tensor = prior(other, labels) - prior(codes, labels)
    return differences.abs().amax((0, 2)) > 0


@pytest.mark.parametrize("kind", ["transformer", "lstm"])
def test_logits_depend_on_every_code_before_them(kind: str) -> None:
    for code in range(CODES):
        assert changed_by(prior_of(kind), code).tolist() == [position > code for position in range(CODES)]


def test_a_pixelcnn_has_the_blind_spot_of_plain_masks() -> None:
    edge = 3
    for code in range(CODES):
        seen = []
        for position in range(CODES):
            up, right = position // edge - code // edge, code % edge - position % edge
            seen.append(right <= up if up > 0 else up == 0 and right < 0)
        assert changed_by(prior_of("pixelcnn"), code).tolist() == seen


codes_of_rows = st.lists(st.lists(st.integers(0, 7), min_size=CODES, max_size=CODES), min_size=3, max_size=3)
labels_of_rows = st.lists(st.integers(0, prior_of("transformer").null_label), min_size=3, max_size=3)


@every_kind
@settings(max_examples=100, deadline=None)
@given(codes=codes_of_rows, labels=labels_of_rows, changed=st.integers(0, CODES - 1), to=st.integers(0, 7))
def test_a_code_changes_no_logits_up_to_its_own(
    kind: str, codes: list[list[int]], labels: list[int], changed: int, to: int
) -> None:
    prior, before = prior_of(kind), torch.tensor(codes)
    after = before.clone()
    after[:, changed] = to
    logits, others = prior(before, torch.tensor(labels)), prior(after, torch.tensor(labels))
    assert logits.shape == (3, CODES, prior.codebook)
    assert torch.equal(logits[:, : changed + 1], others[:, : changed + 1])


@every_kind
def test_logits_depend_on_the_label_at_every_position(kind: str) -> None:
    prior, codes = prior_of(kind), torch.randint(8, (4, CODES), generator=torch.Generator().manual_seed(0))
    logits = [prior(codes, torch.full((4,), label)) for label in range(prior.null_label + 1)]
    for label in range(prior.null_label):
        assert ((logits[label] - logits[-1]).abs().amax(2) > 0).all()


@every_kind
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_the_incremental_step_equals_the_full_pass_at_any_mix_of_positions(kind: str, data: st.DataObject) -> None:
    prior, rows = prior_of(kind), 3
    codes, labels = torch.tensor(data.draw(codes_of_rows)), torch.tensor(data.draw(labels_of_rows))
    full = prior(codes, labels)
    stepped = incremental(prior, rows)
    with torch.inference_mode():
        stepped.scramble(torch.Generator().manual_seed(0))  # what an earlier request left behind
    positions = [0] * rows
    while any(position < CODES for position in positions):
        open_rows = [row for row in range(rows) if positions[row] < CODES]
        chosen = data.draw(st.lists(st.sampled_from(open_rows), min_size=1, unique=True))
        tokens = prior.tokens(codes, labels)[chosen, [positions[row] for row in chosen]]
        at = torch.tensor([positions[row] for row in chosen])
        with torch.inference_mode():
            logits = stepped.step(tokens, at, torch.tensor(chosen))
        assert torch.allclose(logits, full[chosen, at], atol=1e-5, rtol=0)
        for row in chosen:
            positions[row] += 1


@pytest.mark.parametrize("filter_", [3, 5, 7])
@pytest.mark.parametrize(("codes", "edge"), [(1, 1), (2, 2), (4, 2), (5, 3), (9, 3), (14, 4), (70, 9)])
def test_a_pixelcnn_steps_as_it_passes_on_a_square_of_any_size(codes: int, edge: int, filter_: int) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = PixelCNNConfig(layers=3, width=8, filter=filter_)
        prior = PixelCNNPrior(config, codes, codebook=5, labels=2).eval().requires_grad_(False)
        drawn, labels = torch.randint(5, (2, codes)), torch.tensor([1, 2])
    assert prior.edge == edge
    stepped, full = incremental(prior, 2), prior(drawn, labels)
    for position, tokens in enumerate(prior.tokens(drawn, labels).unbind(1)):
        with torch.inference_mode():
            logits = stepped.step(tokens, torch.full((2,), position), torch.arange(2))
        assert torch.allclose(logits, full[:, position], atol=1e-5, rtol=0)


@every_kind
def test_one_step_reads_many_positions_of_a_slot_where_it_says_so(kind: str) -> None:
    prior = prior_of(kind)
    stepped = incremental(prior, 2)
    assert stepped.sequential == (kind == "lstm")
    if not stepped.sequential:
        codes, labels = torch.arange(CODES)[None], torch.tensor([1])
        with torch.inference_mode():
            stepped.scramble(torch.Generator().manual_seed(0))
            logits = stepped.step(prior.tokens(codes, labels)[0], torch.arange(CODES), torch.ones(CODES).long())
        assert torch.allclose(logits, prior(codes, labels)[0], atol=1e-5, rtol=0)


def test_a_prior_that_nobody_knows_how_to_step_is_refused() -> None:
    class Uniform(Prior):
        def forward(self, codes: Tensor, labels: Tensor) -> Tensor:
            return torch.zeros(len(labels), codes.shape[1], self.codebook)

    with pytest.raises(TypeError, match="no way to step a Uniform"):
        incremental(Uniform(6, 8, 3), 2)


@every_kind
def test_the_weights_that_a_step_reads_are_counted(kind: str) -> None:
    matrices = {"transformer": 2 * 16 * (48 + 16 + 64) + 16 * 8, "lstm": 2 * 20 * 40 + 10 * 8}
    blocks = 2 * (12 * 6 + 5 * 6 * 6 + 6 * 12)  # a filter of 3 reaches 4 places before its centre
    matrices["pixelcnn"] = 4 * 12 * 12 + blocks + 12 * 12 + 12 * 8
    assert incremental(prior_of(kind), 2).weight_bytes == 4 * matrices[kind]


@every_kind
def test_the_null_label_has_a_start_token_of_its_own(kind: str) -> None:
    prior = prior_of(kind)
    tokens = [prior.vocabulary.start_token(label) for label in (None, 0, 1, 2)]
    assert tokens == [prior.codebook + label for label in (3, 0, 1, 2)]
    assert isinstance(incremental(prior, 1), CachedPrior) == (kind == "transformer")
