"""The smallest time in which a worker could answer a request, had it nothing else to do."""

from __future__ import annotations

from math import ceil

from service import messages
from service.pool.ticket import Generation
from service.scheduler.costs import by_pixels


def minimum_s(generation: Generation, minimum: messages.Minimum, slots: int) -> float:
    """Seconds for one code of each sample, decoded and encoded as asked; more samples than slots take turns."""
    known = {(each.format, each.scale): each.milliseconds for each in minimum.encodings}
    encode_ms = by_pixels(known, (generation.encoding.format, generation.encoding.scale))
    n = generation.n
    return (ceil(n / slots) * minimum.first_ms + (n - 1) * minimum.further_ms + n * encode_ms) / 1000
