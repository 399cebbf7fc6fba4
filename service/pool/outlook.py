"""What a request can expect of the workers: the smallest deadline that would do, and when one is ready."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from service import messages
from service.admission import Prospect
from service.pool.supervisor import Supervisor
from service.pool.ticket import Generation
from service.scheduler.costs import by_pixels


def prospect(generation: Generation, workers: Sequence[Supervisor], reserve_s: float) -> Prospect:
    """What admission needs to know. `reserve_s` is what the way to a worker and back costs."""
    waits = [seconds for worker in workers if (seconds := worker.ready_in()) is not None]
    return Prospect(
        minimum_ms=1000 * (least_s(generation, workers) + reserve_s),
        slots=sum(worker.slots.get(generation.model, 0) for worker in _known(workers)),
        ready_in_ms=1000 * min(waits) if waits else None,
    )


def smallest_deadline_ms(model: str, workers: Sequence[Supervisor], reserve_s: float) -> float | None:
    """With which a request for one sample, in the quickest encoding, could be answered; None if that is unknown."""
    known = [worker.minimum_ms[model] for worker in _known(workers) if model in worker.minimum_ms]
    return min(known) + 1000 * reserve_s if known else None


def least_s(generation: Generation, workers: Sequence[Supervisor]) -> float:
    """What the smallest answer would take in the quickest worker; 0 if that is unknown."""
    model = generation.model
    known = [worker for worker in _known(workers) if model in worker.minimums]
    return min((minimum_s(generation, each.minimums[model], each.slots[model]) for each in known), default=0.0)


def minimum_s(generation: Generation, minimum: messages.Minimum, slots: int) -> float:
    """Seconds for one code of each sample, decoded and encoded as asked; more samples than slots take turns."""
    known = {(each.format, each.scale): each.milliseconds for each in minimum.encodings}
    encode_ms = by_pixels(known, (generation.encoding.format, generation.encoding.scale))
    n = generation.n
    return (ceil(n / slots) * minimum.first_ms + (n - 1) * minimum.further_ms + n * encode_ms) / 1000


def _known(workers: Sequence[Supervisor]) -> Sequence[Supervisor]:
    """Those that are ready; if none is, all: they remember what they last were."""
    return [worker for worker in workers if worker.ready] or workers
