"""Conditional samples, decoded from growing fractions of the same codes (section 5.2, Fig. 4a and 5)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from models.bundle.networks import Networks
from models.runtime.sampling_loop import sample_codes
from training.evaluation.classifier import Extractor, Judgement
from training.evaluation.reconstruction import to_bytes

SAMPLED_AT_ONCE = 512
DECODED_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Samples:
    """Complete code sequences, one class after another in turn: sample i has label i mod L.

    Attributes:
        codes: (N, K) int64.
        labels: (N,) int64.
    """

    codes: Tensor
    labels: Tensor


def draw(networks: Networks, count: int, seed: int) -> Samples:
    """Draw `count` samples under the bundle's sampling defaults; sample i is what the service draws for (seed, i)."""
    labels = torch.arange(count) % len(networks.manifest.labels)
    codes = sample_codes(networks, labels.tolist(), seed, networks.manifest.sampling, SAMPLED_AT_ONCE)
    return Samples(codes, labels)


def codes_for(fraction: float, total: int) -> int:
    """How many of `total` codes a fraction of them is, rounded up, at least one."""
    # Rounded first: 0.07 * 100 is a little above 7.
    return max(1, math.ceil(round(fraction * total, 9)))


@torch.inference_mode()
def decode(networks: Networks, codes: Tensor, length: int, device: torch.device) -> Tensor:
    """Decode the first `length` of each row of codes (N, K): (N, C, H, W) uint8."""
    pictures = []
    for chunk in torch.split(codes, DECODED_AT_ONCE):
        lengths = torch.full((len(chunk),), length, device=device)
        pictures.append(to_bytes(networks.autoencoder.decode_codes(chunk.to(device), lengths)))
    return torch.cat(pictures)


def judge_at(extractor: Extractor, networks: Networks, codes: Tensor, length: int, device: torch.device) -> Judgement:
    """Features and predictions of samples cut to `length` codes; the pictures themselves are not kept."""
    parts = [extractor.judge(decode(networks, chunk, length, device)) for chunk in torch.split(codes, DECODED_AT_ONCE)]
    return Judgement(torch.cat([part.features for part in parts]), torch.cat([part.predictions for part in parts]))
