"""What somebody may have meant."""

from __future__ import annotations

import pytest

from models.suggestions import did_you_mean

KNOWN = ("smoke", "fashion-mnist", "fashion-mnist-modern", "T-Shirt")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("smok", " (did you mean 'smoke'?)"),
        ("fashionmnist", " (did you mean 'fashion-mnist'?)"),
        ("t-shrit", " (did you mean 'T-Shirt'?)"),
        ("SMOKE", " (did you mean 'smoke'?)"),
        ("zebra", ""),
        ("", ""),
    ],
)
def test_the_nearest_name_if_one_is_near(typed: str, meant: str) -> None:
    assert did_you_mean(typed, KNOWN) == meant
