"""Which representation a client gets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api.negotiation import choose, parse_accept
from service.api.problems import NotAcceptable
from service.encode import MEDIA_TYPES
from service.errors import InvalidField

BROWSER_IMAGE = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "body_format", "chosen"),
    [
        (None, "webp", None),
        ("", "png", None),
        ("*/*", "png", None),
        ("application/*", "png", None),
        ("application/json", "webp", None),
        ("image/png", "webp", "png"),
        ("IMAGE/PNG", "webp", "png"),
        ("image/*", "webp", "webp"),
        ("image/*", "npy", "png"),
        ("application/x-npy", "png", "npy"),
        ("image/jpeg, */*", "png", "jpeg"),
        ("image/jpeg;q=0.4, image/webp;q=0.5", "png", "webp"),
        ("image/png, image/webp", "webp", "webp"),
        ("image/png;q=0.9, application/json", "png", None),
        ("image/png;q=0.9, application/json;q=0.8", "png", "png"),
        ("image/*;q=0.5, image/png;q=0", "png", "webp"),
        ("image/png;level=1;q=0.2, application/json;q=0.1", "png", "png"),
        ("nonsense, image/png", "webp", "png"),
        ("image/png;q=2, */*;q=0.1", "webp", None),
        (BROWSER_IMAGE, "png", "webp"),
    ],
)
def test_choice(accept: str | None, body_format: str, chosen: str | None) -> None:
    assert choose(accept, body_format, 1) == chosen


@pytest.mark.parametrize(
    "accept", ["text/html", "image/gif", "*/*;q=0", "image/png;q=0", "nonsense", "image/png;q=x", ";;,"]
)
def test_nothing_acceptable(accept: str) -> None:
    with pytest.raises(NotAcceptable):
        choose(accept, "png", 1)


def test_several_samples_fit_only_into_json() -> None:
    assert choose("image/png, application/json;q=0.1", "png", 2) is None
    with pytest.raises(InvalidField, match="n: must be 1"):
        choose("image/png", "png", 2)


@given(st.text(max_size=60))
def test_any_header_parses(header: str) -> None:
    assert all(0 <= each.weight <= 1 for each in parse_accept(header))


@given(st.dictionaries(st.sampled_from([*MEDIA_TYPES.values(), "application/json"]), st.integers(1, 1000), min_size=1))
def test_the_highest_weight_wins(weights: dict[str, int]) -> None:
    header = ", ".join(f"{name};q={weight / 1000:.3f}" for name, weight in weights.items())
    chosen = choose(header, "png", 1)
    assert weights["application/json" if chosen is None else MEDIA_TYPES[chosen]] == max(weights.values())
