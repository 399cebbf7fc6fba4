"""What one operation costs, measured without a request."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from models.runtime.protocol import AnytimeModel, Decoded, SampleRequest
from service.clock import Clock
from service.scheduler import MIXED, Costs, Kind

Encode = Callable[[NDArray[np.float32], str, int], bytes]
"""Sample, format and scale to bytes."""

_FURTHER = 3


def measure_model(model: AnytimeModel, batch: int, costs: Costs, clock: Clock) -> Decoded:
    """A step, another upon it, and a decode of a batch, observed: of each of the model's stages, and of all mixed.

    Every slot must be free, and is so again.
    """
    for stage, start in enumerate(model.stages):
        decoded = _measure_stage(model, [start] * batch, stage, costs, clock)
    if batch > 1 and len(model.stages) > 1:
        mixed = [model.stages[slot % len(model.stages)] for slot in range(batch)]
        _measure_stage(model, mixed, MIXED, costs, clock)
    return decoded


def _codes_of(model: AnytimeModel, stage: int) -> int:
    """How many codes are drawn in a stage."""
    ends = [*model.stages[1:], model.total_codes]
    return ends[stage] - model.stages[stage]


def _measure_stage(model: AnytimeModel, starts: Sequence[int], stage: int, costs: Costs, clock: Clock) -> Decoded:
    """The same of slots that hold so many codes."""
    slots, batch = list(range(len(starts))), len(starts)
    room = model.total_codes - max(starts) if stage == MIXED else _codes_of(model, stage)
    for slot, start in enumerate(starts):
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
