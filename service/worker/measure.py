"""What one operation costs, measured without a request."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from models.runtime.protocol import AnytimeModel, Decoded, SampleRequest
from service.clock import Clock
from service.scheduler import Costs, Kind

Encode = Callable[[NDArray[np.float32], str, int], bytes]
"""Sample, format and scale to bytes."""


def measure_model(model: AnytimeModel, batch: int, costs: Costs, clock: Clock) -> Decoded:
    """A step, another upon it, and a decode of a batch, observed. Every slot must be free, and is so again."""
    slots = list(range(batch))
    for slot in slots:
        model.begin(slot, SampleRequest(seed=slot))
    try:
        began = clock.now()
        model.step(slots)
        stepped = clock.now()
        costs.steps.observe(batch, stepped - began)
        if model.total_codes > 1:
            model.step(slots)
            costs.repeats.observe(batch, clock.now() - stepped)
        drawn = clock.now()
        decoded = model.decode(slots)
        costs.decodes.observe(batch, clock.now() - drawn)
    finally:
        for slot in slots:
            model.release(slot)
    return decoded


def measure_encode(encode: Encode, media: NDArray[np.float32], kind: Kind, costs: Costs, clock: Clock) -> None:
    """One encoding of one sample, observed."""
    began = clock.now()
    encode(media, *kind)
    costs.encodes.observe(kind, clock.now() - began)
