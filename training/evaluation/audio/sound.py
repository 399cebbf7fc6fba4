"""How different reconstructions sound from their originals, by code count."""

from __future__ import annotations

import torch
from matplotlib.axes import Axes
from torch import Tensor

from models.bundle.networks import Networks
from models.config import Media
from training.audio.distance import LogMelDistance
from training.data.dataset import Split
from training.evaluation.audio.report import AudioReconstructionFacts
from training.evaluation.intervals import means
from training.evaluation.plots import MODEL, count_axis
from training.evaluation.provenance import recipe_of
from training.evaluation.reconstruction import Distance, errors_by_length, gains, shares, squared_error
from training.evaluation.report import ReconstructionFacts, Report


def log_mel_distance(media: Media, device: torch.device) -> Distance:
    """What `errors_by_length` measures in dB; of no code at all, one answer for all clips."""
    distance = LogMelDistance(media).to(device)

    def difference(answer: Tensor, original: Tensor) -> Tensor:
        heard: Tensor = distance(answer.float().expand_as(original), original.float())
        return heard.double()

    return difference


def distortion(media: Media, weight: float, device: torch.device) -> Distance:
    """What an autoencoder was trained to lower: the squared error, and the log-mel distance with its weight."""
    if not weight:
        return squared_error
    heard = log_mel_distance(media, device)
    return lambda answer, original: squared_error(answer, original) + weight * heard(answer, original)


def complete(
    facts: ReconstructionFacts, networks: Networks, test: Split, constant: Tensor, device: torch.device
) -> AudioReconstructionFacts:
    """Add how different the test clips' reconstructions sound; for the quality it counts as much as in training."""
    difference = log_mel_distance(networks.manifest.media, device)
    measured = errors_by_length(networks.autoencoder, test, constant, device, difference)
    heard = means(measured)
    recipe = recipe_of(networks.manifest)
    weight = recipe.stages.spectral if recipe else 0.0
    lowered = [error.value + weight * level.value for error, level in zip(facts.model.errors, heard, strict=True)]
    # Unit and constant are said anew: what they say by default is of images.
    kept = {name: getattr(facts, name) for name in ("images", "model", "pca", "pca_clamped", "below_pca")}
    return AudioReconstructionFacts(
        **kept, quality=shares(lowered), log_mel=heard, log_mel_gains=means(gains(measured))
    )


def plot(axes: Axes, report: Report) -> None:
    """Log-mel distance by code count."""
    facts = report.reconstruction
    if not isinstance(facts, AudioReconstructionFacts):
        raise TypeError("the report is not of audio")
    axes.plot(range(report.codes + 1), [e.value for e in facts.log_mel], "o-", color=MODEL, label="model, n codes")
    axes.set_ylim(bottom=0)
    count_axis(axes, "n, codes")
    axes.set_ylabel("log-mel distance, dB")
    axes.set_title(f"How different {facts.images:,} test clips sound from their reconstructions")
