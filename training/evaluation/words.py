"""What samples are called where numbers are explained, by media."""

from __future__ import annotations

from typing import NamedTuple

from training.evaluation.report import ExtractorFacts


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


# Where there is nothing to recognise; said beside the claims, of which one is left out.
ONE_CLASS = "the data has a single class: nothing is recognised, and the claim about that is left out"


def ability_of(facts: ExtractorFacts, many: str) -> str:
    """How good an extractor is at what it has learnt, on the real test samples, which are called so."""
    if facts.test_accuracy is None:
        return "was made for other data"
    judge = f"has labels recognised by {facts.classifier}, which " if facts.classifier else ""
    if facts.task == "turns":
        return f"tells which way up {many} are for {facts.test_accuracy.value:.1%} of the real test {many}"
    return f"{judge}is right on {facts.test_accuracy.value:.1%} of the real test {many}"


def words_for(shape: tuple[int, ...]) -> Words:
    """For samples of a shape: (C, H, W) is an image, (1, T) a clip."""
    return CLIPS if len(shape) == 2 else IMAGES
