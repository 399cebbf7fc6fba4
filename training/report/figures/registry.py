"""Every figure of a report."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from training.report.collect import RunsOf
from training.report.drawing import Drawn
from training.report.figures import (
    data_size,
    distance,
    first_code,
    gains,
    modern,
    pca_prior,
    priors,
    quantisation,
    reconstruction,
    samples,
    speech,
    tailored,
    timing,
    truncation,
    vae,
)


class Figure(NamedTuple):
    """One figure of the anytime paper, or one that it might have had.

    Attributes:
        title: what it shows.
        draw: makes it of a study's runs that have all variants in `NEEDED`, or of runs of the one kind of baseline that
            `BASELINE_FIGURES` has for it.
    """

    title: str
    draw: Callable[[RunsOf[Any]], Drawn]


FIGURES: dict[str, Figure] = {
    "2": Figure("Spatial against channel-wise quantisation", quantisation.draw),
    "3a": Figure("What each code adds", gains.draw),
    "3b": Figure("Reconstruction error by code length", reconstruction.draw),
    "4a": Figure("Distance of samples by fraction of the codes", distance.draw),
    "4b": Figure("Time to sample by fraction of the codes", timing.draw),
    "5": Figure("Samples by fraction of the codes", samples.draw),
    "6": Figure("Speech by fraction of the codes", speech.draw),
    "7": Figure("Ordered against standard VAE", vae.draw),
    "8a": Figure("Kinds of prior", priors.draw),
    "8bc": Figure("Laws of truncation", truncation.draw),
    "9a": Figure("Distance by size of the training set", data_size.draw),
    "9b": Figure("Against tailored models", tailored.draw),
    "10": Figure("Samples that share their first code", first_code.draw),
    "D": Figure("A prior on pixels against one on PCA coefficients", pca_prior.draw),
    "modern": Figure("Another autoencoder against the paper's", modern.draw),
}
