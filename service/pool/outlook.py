"""What a request can expect of the workers: the smallest deadline that would do, and when one is ready."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import NamedTuple

from service import messages
from service.admission import Prospect
from service.pool.supervisor import Supervisor
from service.pool.ticket import Generation
from service.scheduler.costs import BUSY_BATCH, NO_TIME, Duration, by_pixels, exactly


class _Shape(NamedTuple):
    """All that matters about a request for what its smallest answer costs."""

    model: str
    n: int
    lacking: int
    begun: bool
    encoding: messages.Encoding


class _Cost(NamedTuple):
    """What the smallest answer costs; seconds.

    Attributes:
        least: of the quickest worker, without the way.
        work: for which its floors keep the workers from others, if they share such work out evenly.
        turn: one of the slowest worker.
        slots: of all workers.
    """

    least: Duration
    work: float
    turn: float
    slots: int


class Outlook:
    """What requests cost, by what the workers last said.

    Most requests are alike and workers speak rarely, so it remembers.

    Args:
        workers: those that there are; others come and go.
    """

    def __init__(self, workers: Sequence[Supervisor]) -> None:
        self._workers = workers
        self._heard: list[tuple[bool, bool, bool, dict[str, messages.Minimum]]] = []
        self._costs: dict[_Shape, _Cost] = {}

    def prospect(self, generation: Generation, way: Duration, answer_s: float) -> Prospect:
        """What admission needs to know.

        Args:
            way: what the way to a worker and back takes.
            answer_s: what an answer takes of this process.
        """
        cost = self._cost(generation)
        least = cost.least.then(way)
        waits = [seconds for worker in self._having(generation.model) if (seconds := worker.ready_in()) is not None]
        return Prospect(
            minimum_ms=1000 * least.likely,
            safe_ms=1000 * least.high,
            work_ms=1000 * cost.work,
            turn_ms=1000 * cost.turn,
            slots=cost.slots,
            answer_ms=1000 * answer_s,
            ready_in_ms=1000 * min(waits) if waits else None,
        )

    def least(self, generation: Generation, way: Duration) -> Duration:
        """What its smallest answer by the quickest worker takes, way included; only that, if the rest is unknown."""
        return self._cost(generation).least.then(way)

    def owed_s(self, worker: Supervisor, generation: Generation) -> float:
        """Seconds in which a worker would bring to their floors the samples that it has, if all were such as these.

        Workers that are given less of the machine than others say so by their costs, and so get fewer samples.
        """
        costs = worker.minimums.get(generation.model)
        return worker.load * floor_s(generation, costs) / generation.n if costs else 0.0

    def alone_codes(self, generation: Generation, seconds: float, way: Duration) -> int:
        """How many codes each of its samples would usually have if nobody else was there; 0 if it cannot be answered.

        Args:
            seconds: until its deadline.
            way: what the way to a worker and back takes.
        """
        steps = [worker.minimums[generation.model] for worker in self._known(generation.model)]
        spare = seconds - self._cost(generation).least.then(way).median
        if not steps or spare < 0:
            return 0
        step = min(each.step.median + (generation.n - 1) * each.further_s for each in steps)
        codes = max(generation.sampling.fewest_given, 1) + (spare / step if step > 0 else generation.max_codes)
        return int(min(codes, generation.max_codes))

    def smallest_deadline_ms(self, model: str, way: Duration) -> float | None:
        """With which a request for one sample, in the quickest encoding, could be answered; None if that is unknown."""
        known = [worker.minimums[model].alone for worker in self._known(model)]
        return 1000 * min(each.then(way).high for each in known) if known else None

    def _cost(self, generation: Generation) -> _Cost:
        heard = [(worker.ready, worker.retiring, worker.suspect, worker.minimums) for worker in self._workers]
        if len(heard) != len(self._heard) or any(
            now[:3] != then[:3] or now[3] is not then[3] for now, then in zip(heard, self._heard, strict=True)
        ):
            self._heard = heard
            self._costs.clear()
        given = generation.sampling.fewest_given
        lacking = max(generation.min_codes - given, 0)
        shape = _Shape(generation.model, generation.n, lacking, given > 0, generation.encoding)
        if shape not in self._costs:
            self._costs[shape] = self._calculate(generation)
        return self._costs[shape]

    def _calculate(self, generation: Generation) -> _Cost:
        model = generation.model
        known = self._known(model)
        costs = [worker.minimums[model] for worker in known]
        return _Cost(
            least=min(
                (minimum(generation, worker.minimums[model], worker.slots[model]) for worker in known), default=NO_TIME
            ),
            work=max((floor_s(generation, each) for each in costs), default=0.0) / max(len(costs), 1),
            turn=max(map(turn_s, costs), default=0.0),
            slots=sum(worker.slots[model] for worker in known),
        )

    def _known(self, model: str) -> list[Supervisor]:
        """Those with the model that are ready, those that say nothing only if no other is; if none is ready, all: they
        remember what they last were.
        """
        having = self._having(model)
        ready = [worker for worker in having if worker.ready]
        return [worker for worker in ready if not worker.suspect] or ready or having

    def _having(self, model: str) -> list[Supervisor]:
        """Those with the model; one that is retiring only if no other has it."""
        having = [worker for worker in self._workers if model in worker.minimums]
        return [worker for worker in having if not worker.retiring] or having


def turn_s(costs: messages.Minimum) -> float:
    """Seconds in which a busy worker usually draws first codes for a batch and sends it, encoded the quickest way."""
    quickest = min((each.takes for each in costs.encodings), default=NO_TIME)
    return BUSY_BATCH * (sum(costs.shares_s) + quickest.median)


def floor_s(generation: Generation, costs: messages.Minimum) -> float:
    """Seconds of a busy worker that bringing every sample to its floor and sending it usually takes."""
    decode, code = costs.shares_s
    codes = max(generation.min_codes - generation.sampling.fewest_given, 0)
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
    first = costs.decode if generation.sampling.fewest_given else costs.step.then(costs.decode)
    first = first.times(ceil(generation.n / slots))
    return first.then(_encode(generation, costs).times(generation.n)).then(exactly(further))
