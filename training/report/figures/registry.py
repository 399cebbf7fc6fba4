"""Every figure that a study can ask for."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from training.report.collect import Runs
from training.report.drawing import Drawn
from training.report.figures import (
    data_size,
    distance,
    first_code,
    gains,
    priors,
    quantisation,
    reconstruction,
    samples,
    tailored,
    timing,
    truncation,
)


class Figure(NamedTuple):
    """One figure of the anytime paper.

    Attributes:
        title: what it shows.
        draw: makes it of runs that have all variants in `NEEDED`.
    """

    title: str
    draw: Callable[[Runs], Drawn]


FIGURES: dict[str, Figure] = {
    "2": Figure("Spatial against channel-wise quantisation", quantisation.draw),
    "3a": Figure("What each code adds", gains.draw),
    "3b": Figure("Reconstruction error by code length", reconstruction.draw),
    "4a": Figure("Distance of samples by fraction of the codes", distance.draw),
    "4b": Figure("Time to sample by fraction of the codes", timing.draw),
    "5": Figure("Samples by fraction of the codes", samples.draw),
    "8a": Figure("Kinds of prior", priors.draw),
    "8bc": Figure("Laws of truncation", truncation.draw),
    "9a": Figure("Distance by size of the training set", data_size.draw),
    "9b": Figure("Against tailored models", tailored.draw),
    "10": Figure("Samples that share their first code", first_code.draw),
}
