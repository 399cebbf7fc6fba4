from __future__ import annotations

import torch
from factories import tiny_networks
from hypothesis import given, settings
from hypothesis import strategies as st

from models.prior import TransformerPrior
from models.runtime.cached_prior import CachedPrior

PRIOR: TransformerPrior = tiny_networks().prior
CODES = PRIOR.codes


def test_a_logit_depends_on_earlier_codes_and_the_label_only() -> None:
    codes, labels = torch.randint(8, (2, CODES)), torch.tensor([0, 2])
    logits = PRIOR(codes, labels)
    for changed in range(CODES):
        other = codes.clone()
        other[:, changed] = (other[:, changed] + 1) % 8
        differs = (PRIOR(other, labels) - logits).abs().amax((0, 2)) > 0
        assert not differs[: changed + 1].any()
        assert differs[changed + 1 :].all()
    assert (PRIOR(codes, torch.tensor([PRIOR.null_label] * 2)) - logits).abs().min() > 0


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_the_cached_step_equals_the_full_pass_at_any_mix_of_positions(data: st.DataObject) -> None:
    rows = 3
    codes = torch.tensor(
        data.draw(st.lists(st.lists(st.integers(0, 7), min_size=6, max_size=6), min_size=3, max_size=3))
    )
    labels = torch.tensor(data.draw(st.lists(st.integers(0, PRIOR.null_label), min_size=3, max_size=3)))
    full = PRIOR(codes, labels)
    cached = CachedPrior(PRIOR, rows)
    with torch.inference_mode():
        cached.memory.normal_()  # what an earlier request left behind
    positions = [0] * rows
    while any(position < CODES for position in positions):
        open_rows = [row for row in range(rows) if positions[row] < CODES]
        chosen = data.draw(st.lists(st.sampled_from(open_rows), min_size=1, unique=True))
        tokens = torch.tensor(
            [
                PRIOR.start_token(int(labels[row])) if positions[row] == 0 else int(codes[row, positions[row] - 1])
                for row in chosen
            ]
        )
        at = torch.tensor([positions[row] for row in chosen])
        with torch.inference_mode():
            logits = cached.step(tokens, at, torch.tensor(chosen))
        assert torch.allclose(logits, full[chosen, at], atol=1e-5, rtol=0)
        for row in chosen:
            positions[row] += 1


def test_the_null_label_has_a_start_token_of_its_own() -> None:
    tokens = [PRIOR.start_token(label) for label in (None, 0, 1, 2)]
    assert len(set(tokens)) == 4
    assert min(tokens) == PRIOR.codebook
    assert max(tokens) == PRIOR.embedding.num_embeddings - 1
