"""Codebooks that follow the vectors which choose them."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError

from training.codebook import MovingCodebook
from training.options import CodebookRecipe


def moving(codebook: torch.Tensor, decay: float = 0.5, revive: float = 0.0) -> MovingCodebook:
    return MovingCodebook(codebook, CodebookRecipe(learning="average", decay=decay, revive=revive))


def learn(average: MovingCodebook, vectors: torch.Tensor, indices: torch.Tensor, seed: int) -> None:
    average.observe(vectors, indices)
    average.learn(seed)


def test_an_entry_is_the_decayed_mean_of_what_chose_it() -> None:
    codebook = torch.tensor([[0.0], [100.0]])
    average = moving(codebook, decay=0.5)
    learn(average, torch.tensor([[1.0], [3.0]]), torch.tensor([0, 0]), seed=0)
    assert codebook.tolist() == [[2.0], [100.0]]  # nobody chose the second
    learn(average, torch.tensor([[8.0]]), torch.tensor([0]), seed=1)
    weights = torch.tensor([0.25, 0.25, 0.5])
    expected = (weights * torch.tensor([1.0, 3.0, 8.0])).sum() / weights.sum()
    assert codebook[0].item() == pytest.approx(expected.item())


def test_vectors_that_stay_are_learnt() -> None:
    draw = torch.Generator().manual_seed(0)
    centres = torch.tensor([[-5.0, 0], [5, 0], [0, 9]])
    codebook = centres + 1.5
    average = moving(codebook, decay=0.9)
    for step in range(200):
        vectors = centres.repeat(30, 1) + 0.1 * torch.randn(90, 2, generator=draw)
        learn(average, vectors, torch.cdist(vectors, codebook).argmin(1), seed=step)
    assert torch.allclose(codebook, centres, atol=0.05)


def test_idle_entries_are_revived_and_given_time() -> None:
    codebook = torch.tensor([[0.0], [1e6], [2e6]])
    average = moving(codebook, decay=0.5, revive=0.1)
    vectors = torch.linspace(-1, 1, 20)[:, None]
    learn(average, vectors, torch.zeros(20, dtype=torch.int64), seed=3)
    assert codebook[1:].abs().max() <= 1
    assert codebook[1] != codebook[2]
    before = codebook.clone()
    learn(average, vectors, torch.zeros(20, dtype=torch.int64), seed=4)
    assert torch.equal(codebook[1:], before[1:])


def test_without_reviving_idle_entries_stay() -> None:
    codebook = torch.tensor([[0.0], [1e6]])
    learn(moving(codebook), torch.ones(4, 1), torch.zeros(4, dtype=torch.int64), seed=0)
    assert codebook[1].item() == 1e6


def test_the_same_seed_revives_onto_the_same_vectors_and_state_goes_on() -> None:
    draw = torch.Generator().manual_seed(1)
    vectors, indices = torch.randn(50, 2, generator=draw), torch.randint(2, (50,), generator=draw)
    first, second = torch.zeros(6, 2), torch.zeros(6, 2)
    one, other = moving(first, revive=0.5), moving(second, revive=0.5)
    learn(one, vectors, indices, seed=9)
    learn(other, vectors, indices, seed=9)
    assert torch.equal(first, second)
    resumed = moving(second, revive=0.5)
    resumed.load_state_dict(other.state_dict())
    learn(one, vectors.flip(0), indices, seed=10)
    learn(resumed, vectors.flip(0), indices, seed=10)
    assert torch.equal(first, second)


def test_reviving_needs_counts() -> None:
    with pytest.raises(ValidationError, match="revive needs learning"):
        CodebookRecipe(revive=0.1)
