"""Laws of the truncation index against what they are said to be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from toy_data import toy_split, write_idx_folder
from toy_recipe import toy_run

from models.truncation import sample_lengths
from training.options import Truncation
from training.stages.autoencoder import AutoencoderTask
from training.truncation import length_shares

laws = st.one_of(
    st.builds(Truncation, law=st.sampled_from(["uniform", "mixed"]), shortest=st.integers(1, 20)),
    st.builds(Truncation, law=st.just("geometric"), rate=st.floats(0.001, 0.9), shortest=st.integers(1, 20)),
)


@given(laws, st.integers(1, 130))
def test_every_law_is_a_distribution_that_reaches_the_full_length(law: Truncation, codes: int) -> None:
    shares = length_shares(law, codes)
    assert shares.shape == (codes,)
    assert shares.sum().item() == pytest.approx(1)
    assert shares.min() >= 0
    assert shares[-1] > 0
    assert not shares[: min(law.shortest, codes) - 1].any()


def test_the_uniform_law() -> None:
    assert length_shares(Truncation(), 4).tolist() == [0.25] * 4
    assert length_shares(Truncation(shortest=3), 4).tolist() == [0, 0, 0.5, 0.5]


def test_the_geometric_law_is_appendix_c3s() -> None:
    rate, codes = 0.1, 70
    expected = [(1 - rate) ** (i - 1) * rate / (1 - (1 - rate) ** codes) for i in range(1, codes + 1)]
    assert length_shares(Truncation(law="geometric", rate=rate), codes).tolist() == pytest.approx(expected)


def test_the_mixed_law() -> None:
    uniform, power = 1 / 6 / 3, 1 / 4 / 3  # powers of two up to 6, and 6 itself: 1, 2, 4, 6
    expected = [uniform + power, uniform + power, uniform, uniform + power, uniform, uniform + power + 1 / 3]
    assert length_shares(Truncation(law="mixed"), 6).tolist() == pytest.approx(expected)


def test_drawn_lengths_follow_the_law() -> None:
    shares = length_shares(Truncation(law="geometric", rate=0.3, shortest=2), 6)
    drawn = sample_lengths(50_000, shares, torch.Generator().manual_seed(0))
    observed = drawn.bincount(minlength=7)[1:].double() / len(drawn)
    assert observed.tolist() == pytest.approx(shares.tolist(), abs=0.01)


@pytest.mark.parametrize(("law", "rate"), [("geometric", None), ("uniform", 0.1), ("geometric", 1.0)])
def test_a_rate_belongs_to_the_geometric_law(law: str, rate: float | None) -> None:
    with pytest.raises(ValidationError, match="rate"):
        Truncation.model_validate({"law": law, "rate": rate})


def test_epochs_are_judged_by_the_lengths_that_are_trained(tmp_path: Path) -> None:
    """Uncut, the second stage is judged as the first one; cut, by all its lengths."""
    context = toy_run(write_idx_folder(tmp_path / "toy", toy_split(100), toy_split(9, seed=1)), tmp_path / "run")
    stages = context.recipe.stages
    assert stages.ordered
    uncut = stages.ordered.model_copy(update={"truncation": Truncation(shortest=context.recipe.autoencoder.codes)})
    recipe = context.recipe.model_copy(update={"stages": stages.model_copy(update={"ordered": uncut})})
    first, second = AutoencoderTask(context, "autoencoder"), AutoencoderTask(replace(context, recipe=recipe), "ordered")
    cut = AutoencoderTask(context, "ordered")
    first.start()
    for task in (second, cut):
        task.network.load_state_dict(first.network.state_dict())
    with torch.inference_mode():
        assert second.validate() == first.validate()
        assert cut.validate()["reconstruction"] != first.validate()["reconstruction"]
