"""What a model shows of samples that are cut short: by the one interface that is served."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from models.runtime.protocol import AnytimeModel, SampleRequest
from training.evaluation.reconstruction import to_bytes


def pictures_at(model: AnytimeModel, requests: Sequence[SampleRequest], codes: Sequence[int]) -> dict[int, Tensor]:
    """What a model shows of each request after these numbers of codes, ascending: (N, C, H, W) uint8 each.

    Args:
        model: of images, its slots all free; they are again afterwards.
    """
    found: dict[int, list[Tensor]] = {count: [] for count in codes}
    for start in range(0, len(requests), model.slots):
        chunk = requests[start : start + model.slots]
        slots = range(len(chunk))
        for slot, request in zip(slots, chunk, strict=True):
            model.begin(slot, request)
        for count in codes:
            if more := count - model.position(0):
                model.step(slots, more)
            found[count].append(torch.from_numpy(model.decode(slots).media))
        for slot in slots:
            model.release(slot)
    return {count: to_bytes(torch.cat(parts)) for count, parts in found.items()}
