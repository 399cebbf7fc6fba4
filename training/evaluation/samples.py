"""Conditional samples, decoded from growing fractions of the same codes (section 5.2, Fig. 4a and 5)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from models.bundle.networks import Networks
from models.config import Media
from models.runtime.sampling_loop import sample_codes
from training.evaluation.classifier import Judge, Judgement
from training.evaluation.reconstruction import as_stored

FRACTIONS = (0.25, 0.5, 0.75, 1.0)
AUDIO_FRACTIONS = (0.0625, 0.25, 0.5, 1.0)  # with those of Fig. 6
SAMPLED_AT_ONCE = 512
DECODED_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Samples:
    """Complete code sequences, with labels as often as real samples have them.

    Attributes:
        codes: (N, K) int64.
        labels: (N,) int64.
    """

    codes: Tensor
    labels: Tensor


def draw(networks: Networks, labels: Tensor, seed: int) -> Samples:
    """Draw a sample of each label (N,) by the bundle's defaults; sample i is what the service draws for (seed, i)."""
    codes = sample_codes(networks, labels.tolist(), seed, networks.manifest.sampling, SAMPLED_AT_ONCE)
    return Samples(codes, labels)


def labels_like(labels: Tensor, classes: int, count: int) -> Tensor:
    """Labels for samples that are to be compared with real ones: as often as among theirs, and each at least once.

    A distance between two sets would else count that one of them has more of some class. The first samples, however
    many are looked at, have nearly the same shares as all: where every label is as frequent, they take turns.

    Args:
        labels: (M,) int64 of the real samples.
        classes: L, how many labels there are.
        count: N, at least L.

    Returns:
        (N,) int64.
    """
    real = torch.bincount(labels, minlength=classes)
    drawn = torch.arange(count)
    given = torch.ones_like(real)
    for index in range(classes, count):
        label = int((real * (index + 1) - given * len(labels)).argmax())  # who lacks most, in whole numbers
        drawn[index] = label
        given[label] += 1
    return drawn


def fractions_of(media: Media) -> tuple[float, ...]:
    """At which fractions of their codes samples are judged and shown."""
    return AUDIO_FRACTIONS if media.type == "audio" else FRACTIONS


def codes_for(fraction: float, total: int) -> int:
    """How many of `total` codes a fraction of them is, rounded up, at least one."""
    # Rounded first: 0.07 * 100 is a little above 7.
    return max(1, math.ceil(round(fraction * total, 9)))


@torch.inference_mode()
def decode(networks: Networks, codes: Tensor, length: int, device: torch.device) -> Tensor:
    """Decode the first `length` of each row of codes (N, K): (N, *media shape) as a split stores them."""
    decoded = []
    for chunk in torch.split(codes, DECODED_AT_ONCE):
        lengths = torch.full((len(chunk),), length, device=device)
        samples = networks.autoencoder.decode_codes(chunk.to(device), lengths)
        decoded.append(as_stored(samples, networks.manifest.media))
    return torch.cat(decoded)


def judge_at(extractor: Judge, networks: Networks, codes: Tensor, length: int, device: torch.device) -> Judgement:
    """Features and predictions of samples cut to `length` codes; the samples themselves are not kept."""
    parts = [extractor.judge(decode(networks, chunk, length, device)) for chunk in torch.split(codes, DECODED_AT_ONCE)]
    return Judgement(torch.cat([part.features for part in parts]), torch.cat([part.predictions for part in parts]))
