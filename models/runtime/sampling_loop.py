"""Draw many complete samples, and decode many, with no deadline."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from models.bundle.networks import Networks
from models.config import SamplingDefaults
from models.runtime.executors import build_model
from models.runtime.ordered import OrderedModel
from models.runtime.protocol import SampleRequest


def sample_codes(
    networks: Networks, labels: Sequence[int | None], seed: int, sampling: SamplingDefaults, batch: int = 256
) -> Tensor:
    """Draw the complete codes of one sample per label, in full precision; sample i is keyed by (seed, i).

    Returns:
        (N, K) int64 on the CPU.
    """
    model = build_model(networks.autoencoder, networks.prior, min(batch, len(labels)))
    return draw_codes(model, labels, seed, sampling)


def draw_codes(model: OrderedModel, labels: Sequence[int | None], seed: int, sampling: SamplingDefaults) -> Tensor:
    """The same with a model whose slots are all free, and are again afterwards."""
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


def decode_codes(model: OrderedModel, codes: Tensor) -> Tensor:
    """What a model makes of codes that are given; its slots are all free, and are again afterwards.

    Args:
        codes: (N, n) int64, the first n codes of each sample.

    Returns:
        (N, *media shape) float32 on the CPU.
    """
    decoded = []
    for chunk in torch.split(codes, model.slots):
        slots = range(len(chunk))
        for slot, row in enumerate(chunk.tolist()):
            model.begin(slot, SampleRequest(seed=0, codes=tuple(row)))
        decoded.append(model.decode(slots).media)
        for slot in slots:
            model.release(slot)
    return torch.from_numpy(np.concatenate(decoded))
