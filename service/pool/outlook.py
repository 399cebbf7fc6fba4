"""What a request can expect of the workers: the smallest deadline that would do, and when one is ready."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from service import messages
from service.admission import Prospect
from service.pool.supervisor import Supervisor
from service.pool.ticket import Generation
from service.scheduler.costs import BUSY_BATCH, NO_TIME, Duration, by_pixels, exactly


def prospect(generation: Generation, workers: Sequence[Supervisor], way: Duration) -> Prospect:
    """What admission needs to know. `way` is what the way to a worker and back takes."""
    least = least_of(generation, workers, way)
    waits = [seconds for worker in workers if (seconds := worker.ready_in()) is not None]
    return Prospect(
        minimum_ms=1000 * least.likely,
        safe_ms=1000 * least.high,
        work_ms=1000 * _work_s(generation, workers),
        turn_ms=1000 * _turn_s(generation, workers),
        slots=sum(worker.slots.get(generation.model, 0) for worker in _known(workers)),
        ready_in_ms=1000 * min(waits) if waits else None,
    )


def smallest_deadline_ms(model: str, workers: Sequence[Supervisor], way: Duration) -> float | None:
    """With which a request for one sample, in the quickest encoding, could be answered; None if that is unknown."""
    known = [worker.minimums[model].alone for worker in _known(workers) if model in worker.minimums]
    return 1000 * min(each.then(way).high for each in known) if known else None


def least_of(generation: Generation, workers: Sequence[Supervisor], way: Duration) -> Duration:
    """What the smallest answer of the quickest worker would take, way included; only that, if the rest is unknown."""
    model = generation.model
    known = [worker for worker in _known(workers) if model in worker.minimums]
    minimums = [minimum(generation, each.minimums[model], each.slots[model]) for each in known]
    return min(each.then(way) for each in minimums or [NO_TIME])


def _work_s(generation: Generation, workers: Sequence[Supervisor]) -> float:
    """Seconds that the floors of a request keep the workers from others, if they share such work out evenly."""
    model = generation.model
    known = [worker.minimums[model] for worker in _known(workers) if model in worker.minimums]
    return max((floor_s(generation, costs) for costs in known), default=0.0) / max(len(known), 1)


def _turn_s(generation: Generation, workers: Sequence[Supervisor]) -> float:
    """What one turn of the slowest worker takes."""
    model = generation.model
    return max((turn_s(worker.minimums[model]) for worker in _known(workers) if model in worker.minimums), default=0.0)


def turn_s(costs: messages.Minimum) -> float:
    """Seconds in which a busy worker usually draws first codes for a batch and sends it, encoded the quickest way."""
    quickest = min((each.takes for each in costs.encodings), default=NO_TIME)
    return BUSY_BATCH * (sum(costs.shares_s) + quickest.median)


def floor_s(generation: Generation, costs: messages.Minimum) -> float:
    """Seconds of a busy worker that bringing every sample to its floor and sending it usually takes."""
    decode, code = costs.shares_s
    codes = max(generation.min_codes - len(generation.sampling.codes), 0)
    return generation.n * (decode + codes * code + _encode(generation, costs).median)


def _encode(generation: Generation, costs: messages.Minimum) -> Duration:
    known = {(each.format, each.scale): each.takes for each in costs.encodings}
    return by_pixels(known, (generation.encoding.format, generation.encoding.scale))


def full_turn_s(worker: Supervisor) -> float:
    """Seconds that a worker hardly ever needs for one thing: a step and a decode of every slot of its largest model."""
    return max(
        (
            each.step.high + each.decode.high + (worker.slots[model] - 1) * each.further_s
            for model, each in worker.minimums.items()
        ),
        default=0.0,
    )


def minimum(generation: Generation, costs: messages.Minimum, slots: int) -> Duration:
    """One code of each sample unless some are given, decoded and encoded as asked; with few slots they take turns."""
    further = (generation.n - 1) * costs.further_s
    first = costs.decode if generation.sampling.codes else costs.step.then(costs.decode)
    first = first.times(ceil(generation.n / slots))
    return first.then(_encode(generation, costs).times(generation.n)).then(exactly(further))


def _known(workers: Sequence[Supervisor]) -> Sequence[Supervisor]:
    """Those that are ready; if none is, all: they remember what they last were."""
    return [worker for worker in workers if worker.ready] or workers
