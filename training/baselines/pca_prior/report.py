"""`report.json` of appendix D: bits per dim of pixels and of their principal components."""

from __future__ import annotations

from typing import Any, Literal

from models.config import Frozen
from training.evaluation.intervals import Estimate
from training.evaluation.report import Claim, DataFacts

STATED = {"pixels": 0.80, "coefficients": 1.22}  # appendix D, MNIST


class SpaceFacts(Frozen):
    """One model, measured on the test images.

    Attributes:
        symbols: values that a number is told apart by.
        bits_per_dim: negative log-likelihood to base 2 of an image, divided by its numbers.
        marginal_bits_per_dim: the same if every number is predicted from its place alone.
        bits_by_position: D means, in the order in which numbers are predicted.
        validation_bits_per_dim: of the epoch that was kept.
    """

    symbols: int
    bits_per_dim: Estimate
    marginal_bits_per_dim: Estimate
    bits_by_position: tuple[float, ...]
    validation_bits_per_dim: float


class PCAPriorReport(Frozen):
    """All that a run measured.

    Attributes:
        recipe: what was run; also holds the schedule.
        shape: of the pictures that were learnt.
        unit: how bits are counted.
        excess: bits per dim that the coefficients take more than the pixels, paired by image.
        stated: what the paper has for MNIST.
        reduced: in what this run is smaller than the paper's, in words; empty if in nothing.
    """

    kind: Literal["pca-prior"] = "pca-prior"
    format_version: Literal[1] = 1
    recipe: dict[str, Any]
    data: DataFacts
    shape: tuple[int, ...]
    unit: str = (
        "bits per number of a picture, -log2 of the density over pixels 0 .. 255 with uniform noise in [0, 1) added; "
        "for pixels also -log2 of the probability of the picture without noise"
    )
    pixels: SpaceFacts
    coefficients: SpaceFacts
    excess: Estimate
    stated: dict[str, float] = STATED
    reduced: tuple[str, ...]
    claims: tuple[Claim, ...]
    versions: dict[str, str]

    def to_json(self) -> bytes:
        """The bytes of `report.json`."""
        return (self.model_dump_json(indent=2) + "\n").encode()
