"""Which class a prompt means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api.openai.prompts import label_of
from service.errors import InvalidField

CLOTHES = ("t-shirt", "trouser", "Bag", "BAG", "shirt", "boot", "ankle boot", "C++", "日本")


@pytest.mark.parametrize(
    ("prompt", "label"),
    [
        ("BAG", "BAG"),
        ("Bag", "Bag"),
        ("bag", "Bag"),
        ("  Trouser ", "trouser"),
        ("a red shirt, please", "shirt"),
        ("a red t-shirt", "t-shirt"),
        ("an Ankle\n boot", "ankle boot"),
        ("boot, then ankle boot", "ankle boot"),
        ("boot or shirt", "shirt"),
        ("shirt or t-shirt", "t-shirt"),
        ("a boot.", "boot"),
        ("written in c++!", "C++"),
        ("日本 の", "日本"),
    ],
)
def test_the_class_that_a_prompt_names(prompt: str, label: str) -> None:
    assert label_of(prompt, CLOTHES) == label


@pytest.mark.parametrize(
    "prompt", ["", "shirts", "a bootleg", "sweatshirt", "half-boot", "t shirts", "sneaker", "boot_"]
)
def test_a_prompt_that_names_none_is_told_what_there_is(prompt: str) -> None:
    with pytest.raises(InvalidField, match=r"prompt: must name a class of this model, which are t-shirt, trouser, Bag"):
        label_of(prompt, CLOTHES)


def test_of_equally_long_names_the_first_in_the_prompt_counts() -> None:
    assert label_of("a coat over a suit", ("suit", "coat")) == "coat"
    assert label_of("a suit under a coat", ("suit", "coat")) == "suit"


@pytest.mark.parametrize("prompt", ["", "anything at all"])
def test_a_model_without_classes_takes_any_prompt(prompt: str) -> None:
    assert label_of(prompt, ()) is None


@given(st.text(max_size=200), st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=4, unique=True))
def test_any_prompt_means_a_class_or_is_refused(prompt: str, labels: list[str]) -> None:
    try:
        assert label_of(prompt, tuple(labels)) in labels
    except InvalidField:
        assert prompt not in labels
