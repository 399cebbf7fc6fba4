"""Which labels samples are drawn for."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from training.evaluation.samples import labels_like


def test_labels_that_are_as_frequent_take_turns() -> None:
    real = torch.arange(10).repeat(100)
    assert labels_like(real, 10, 1234).tolist() == [index % 10 for index in range(1234)]


@given(
    counts=st.lists(st.integers(0, 50), min_size=1, max_size=12).filter(any),
    more=st.integers(0, 300),
)
def test_shares_are_those_of_the_real_samples_and_none_is_left_out(counts: list[int], more: int) -> None:
    classes = len(counts)
    real = torch.repeat_interleave(torch.arange(classes), torch.tensor(counts))
    drawn = labels_like(real, classes, classes + more)
    given = torch.bincount(drawn, minlength=classes).tolist()
    assert len(drawn) == classes + more
    assert sum(given) == classes + more
    for share, times in zip((count / sum(counts) for count in counts), given, strict=True):
        assert times >= 1
        assert times <= max(share * len(drawn) + 1, 1)
