"""First measurements of what a model costs here."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from models.config import Media
from models.runtime.memory import is_out_of_memory
from models.runtime.protocol import AnytimeModel, Decoded
from service.clock import Clock
from service.encode import check_encodable, formats_of
from service.scheduler import Costs, Kind
from service.worker.measure import Encode, measure_encode, measure_model

_logger = logging.getLogger(__name__)

_DISCARDED = 2  # the first runs allocate, compile and fill caches
_MEASURED = 8
_LONG_S, _ENOUGH_S = 0.1, 0.2  # of one measurement, to which a first run adds little; of all those of a bucket
_SCALES = (1, 8)
_CACHE_BYTES = 1 << 24  # more than a core has to itself


def warm_up(model: AnytimeModel, encode: Encode, kinds: Sequence[Kind], clock: Clock) -> Costs:
    """Measure step and decode for every bucket, and encode for these kinds. Leaves every slot free.

    A request that comes to an idle worker finds the core's caches filled by others, and everything may take twice as
    long as in a row. So they are emptied before each measurement: later ones soon tell what is usual.

    Buckets for which the device has too little memory are done without, unless that is the smallest.
    """
    costs = Costs(model.buckets, model.stages)
    takes = 0.0
    for bucket in model.buckets:
        try:
            decoded, takes = _measure_bucket(model, bucket, costs, clock, takes)
        except Exception as error:
            if not is_out_of_memory(error) or bucket == model.buckets[0]:
                raise
            _logger.error("too little memory for a batch of %d: %s", bucket, error)
            for each in (costs.steps, costs.repeats, costs.decodes):
                each.limit(bucket - 1)
            break
    for kind in kinds:
        encode(decoded.media[0], *kind)
        for _ in range(_MEASURED):
            _empty_caches()
            measure_encode(encode, decoded.media[0], kind, costs, clock)
    return costs


def _measure_bucket(
    model: AnytimeModel, bucket: int, costs: Costs, clock: Clock, before: float
) -> tuple[Decoded, float]:
    """What a bucket takes, observed a few times; where that is long, less often, for a start should be short.

    Args:
        before: seconds that one measurement of the bucket below took.

    Returns:
        What was decoded last, and how long the last measurement took.
    """
    for _ in range(_DISCARDED if before < _LONG_S else 0):
        measure_model(model, bucket, Costs(model.buckets), clock)
    start = clock.now()
    for _ in range(_MEASURED):
        _empty_caches()
        began = clock.now()
        decoded = measure_model(model, bucket, costs, clock)
        if clock.now() - start >= _ENOUGH_S:
            break
    return decoded, clock.now() - began


def kinds_of(media: Media) -> list[Kind]:
    """The formats that can hold samples of this media, the usual one first, pictures each at a few scales."""
    kinds = []
    for file_format in formats_of(media):
        for scale in _SCALES:
            try:
                check_encodable(media, file_format, scale)
            except ValueError:
                continue
            kinds.append((file_format, scale))
    return kinds


def _empty_caches() -> None:
    np.ones(_CACHE_BYTES, np.uint8)
