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

_FURTHER = 3


def measure_model(model: AnytimeModel, batch: int, costs: Costs, clock: Clock) -> Decoded:
    """A step, another upon it, and a decode of a batch, observed: of each of the model's stages.

    Every slot must be free, and is so again.
    """
    for stage, start in enumerate(model.stages):
        end = [*model.stages, model.total_codes][stage + 1]
        decoded = _measure_stage(model, batch, stage, end - start, costs, clock)
    return decoded


def _measure_stage(model: AnytimeModel, batch: int, stage: int, room: int, costs: Costs, clock: Clock) -> Decoded:
    """The same of one, which has so many codes."""
    slots, start = list(range(batch)), model.stages[stage]
    for slot in slots:
        model.begin(slot, SampleRequest(seed=slot, codes=(0,) * start))
    try:
        began = clock.now()
        model.step(slots)
        stepped = clock.now()
        costs.steps.observe(batch, stepped - began, stage)
        if room > 1:
            model.step(slots)
            costs.repeats.observe(batch, clock.now() - stepped, stage)
        if len(model.stages) > 1:  # where the first step of a stage is not like those that follow
            for _ in range(min(_FURTHER, room - 2)):
                began = clock.now()
                model.step(slots)
                costs.steps.observe(batch, clock.now() - began, stage)
        drawn = clock.now()
        decoded = model.decode(slots)
        costs.decodes.observe(batch, clock.now() - drawn, stage)
    finally:
        for slot in slots:
            model.release(slot)
    return decoded


def measure_encode(encode: Encode, media: NDArray[np.float32], kind: Kind, costs: Costs, clock: Clock) -> None:
    """One encoding of one sample, observed."""
    began = clock.now()
    encode(media, *kind)
    costs.encodes.observe(kind, clock.now() - began)
