"""Draw many complete samples, with no deadline."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from models.bundle.networks import Networks
from models.config import SamplingDefaults
from models.runtime.executors import build_model
from models.runtime.protocol import SampleRequest


def sample_codes(
    networks: Networks, labels: Sequence[int | None], seed: int, sampling: SamplingDefaults, batch: int = 256
) -> Tensor:
    """Draw the complete codes of one sample per label; sample i is keyed by (seed, i), like any served sample.

    Returns:
        (N, K) int64 on the CPU.
    """
    model = build_model(networks.autoencoder, networks.prior, min(batch, len(labels)))
    drawn: list[list[int]] = []
    for start in range(0, len(labels), model.slots):
        slots = range(min(model.slots, len(labels) - start))
        for slot in slots:
            model.begin(slot, SampleRequest(seed, start + slot, labels[start + slot], **sampling.model_dump()))
        for _ in range(model.total_codes):
            model.step(slots)
        drawn += model.codes(slots)
        for slot in slots:
            model.release(slot)
    return torch.tensor(drawn)
