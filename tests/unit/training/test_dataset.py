from __future__ import annotations

from typing import Any

import pytest
import torch
from toy_data import toy_split
from toy_recipe import toy_recipe

from models.errors import DataError
from training.data.dataset import Parts, Split, prepare
from training.data.request import Request
from training.recipe import Recipe


class InMemory:
    """A source that needs no files."""

    def __init__(self, train: Split, test: Split) -> None:
        self.train, self.test = train, test

    def load(self, request: Request) -> Parts:  # noqa: ARG002 - as every source
        return Parts(self.train, self.test)


def numbered(count: int) -> Split:
    """Pictures that can be told apart by their first two pixels."""
    split = toy_split(count)
    split.images[:, 0, 0, 0] = torch.arange(count) % 256
    split.images[:, 0, 0, 1] = torch.arange(count) // 256
    return split


def numbers(split: Split) -> list[int]:
    first, second = split.images[:, 0, 0, 0].long(), split.images[:, 0, 0, 1].long()
    return (first + 256 * second).tolist()


def recipe(**changes: Any) -> Recipe:
    return toy_recipe().model_copy(update=changes)


def test_the_validation_split_is_held_out_and_follows_from_the_seed() -> None:
    source = InMemory(numbered(400), toy_split(10))
    first, again, other = (prepare(source, recipe(seed=seed)) for seed in (1, 1, 2))
    assert numbers(first.validation) == numbers(again.validation) != numbers(other.validation)
    assert sorted(numbers(first.train) + numbers(first.validation)) == list(range(400))
    assert len(first.validation) == recipe().data.validation
    assert torch.equal(first.test.images, source.test.images)


def test_a_limit_takes_training_images_only() -> None:
    source = InMemory(numbered(400), toy_split(10))
    limited = prepare(source, recipe(data=recipe().data.model_copy(update={"limit": 50})))
    whole = prepare(source, recipe())
    assert len(limited.train) == 50
    assert numbers(limited.train) == numbers(whole.train)[:50]
    assert numbers(limited.validation) == numbers(whole.validation)
    assert limited.fingerprint == whole.fingerprint


def test_the_fingerprint_sees_one_changed_pixel_or_label() -> None:
    def fingerprint(pixel: int = 0, label: int = 0) -> str:
        train = toy_split(400)
        train.images[7, 0, 3, 3] = pixel
        train.labels[9] = label
        return prepare(InMemory(train, toy_split(10)), recipe()).fingerprint

    assert fingerprint() == fingerprint()
    assert len({fingerprint(), fingerprint(pixel=1), fingerprint(label=1)}) == 3


def test_batches_are_floats_between_zero_and_one() -> None:
    split = Split(torch.tensor([0, 51, 255], dtype=torch.uint8).reshape(3, 1, 1, 1), torch.zeros(3, dtype=torch.int64))
    batch = split.batch(torch.tensor([2, 1]), torch.device("cpu"))
    assert batch.flatten().tolist() == pytest.approx([1.0, 0.2])
    assert batch.dtype == torch.float32


@pytest.mark.parametrize(
    ("train", "test", "said"),
    [
        (
            toy_split(400, size=9),
            toy_split(10),
            r"the training set's images are \[1, 9, 9\], but .* media.shape is \[1, 8, 8\]",
        ),
        (toy_split(400), toy_split(10, classes=5), "the test set has a label 4, but the recipe names 3 labels"),
        (toy_split(60), toy_split(10), "data.validation asks for 60 images, but the training set has 60 in all"),
        (toy_split(61), toy_split(10), "1 training images of 6 codes are too few for a codebook of 8 entries"),
        (toy_split(400), toy_split(0), "the test set is empty"),
    ],
)
def test_data_that_does_not_fit_the_recipe(train: Split, test: Split, said: str) -> None:
    with pytest.raises(DataError, match=said):
        prepare(InMemory(train, test), recipe())
