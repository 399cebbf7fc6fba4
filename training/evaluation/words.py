"""What samples are called where numbers are explained, by media."""

from __future__ import annotations

from typing import NamedTuple


class Words(NamedTuple):
    """Of one kind of media.

    Attributes:
        one, many: a sample, samples.
        values: what a sample's error is summed over, and their range.
        limits: the range.
    """

    one: str
    many: str
    values: str
    limits: str


IMAGES = Words("image", "images", "pixels in [0, 1]", "[0, 1]")
CLIPS = Words("clip", "clips", "samples in [-1, 1]", "[-1, 1]")


def words_for(shape: tuple[int, ...]) -> Words:
    """For samples of a shape: (C, H, W) is an image, (1, T) a clip."""
    return CLIPS if len(shape) == 2 else IMAGES
