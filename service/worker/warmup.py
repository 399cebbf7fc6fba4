"""First measurements of what a model costs here."""

from __future__ import annotations

import numpy as np

from models.runtime.protocol import AnytimeModel, Decoded
from service.clock import Clock
from service.encode import MEDIA_TYPES, check_encodable
from service.scheduler import Costs, Kind
from service.worker.measure import Encode, measure_encode, measure_model

_DISCARDED = 2  # the first runs allocate, compile and fill caches
_MEASURED = 8
_SCALES = (1, 8)
_CACHE_BYTES = 1 << 24  # more than a core has to itself


def warm_up(model: AnytimeModel, encode: Encode, clock: Clock) -> Costs:
    """Measure step, decode and encode, for every bucket, format and a few scales. Leaves every slot free.

    A request that comes to an idle worker finds the core's caches filled by others, and everything may take twice as
    long as in a row. So they are emptied before each measurement: later ones soon tell what is usual.
    """
    costs = Costs(model.buckets)
    for bucket in model.buckets:
        for _ in range(_DISCARDED):
            measure_model(model, bucket, Costs(model.buckets), clock)
        for _ in range(_MEASURED):
            _empty_caches()
            decoded = measure_model(model, bucket, costs, clock)
    for kind in _kinds(decoded):
        encode(decoded.media[0], *kind)
        for _ in range(_MEASURED):
            _empty_caches()
            measure_encode(encode, decoded.media[0], kind, costs, clock)
    return costs


def _empty_caches() -> None:
    np.ones(_CACHE_BYTES, np.uint8)


def _kinds(decoded: Decoded) -> list[Kind]:
    """The formats that can hold such a sample, each at a few scales."""
    kinds = []
    for file_format in MEDIA_TYPES:
        for scale in _SCALES:
            try:
                check_encodable(decoded.media.shape[1:], file_format, scale)
            except ValueError:
                continue
            kinds.append((file_format, scale))
    return kinds
