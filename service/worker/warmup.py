"""First measurements of what a model costs here, and later ones when there is nothing else to do."""

from __future__ import annotations

from models.runtime.protocol import AnytimeModel, Decoded, SampleRequest
from service.clock import Clock
from service.encode import MEDIA_TYPES, check_encodable
from service.scheduler import Costs, Kind
from service.scheduler.costs import WINDOW
from service.worker.engine import Encode

_DISCARDED = 2  # the first runs allocate, compile and fill caches
_MEASURED = 8
_SCALES = (1, 8)
_INFLATED = 1.5


def warm_up(model: AnytimeModel, encode: Encode, clock: Clock) -> Costs:
    """Measure step, decode and encode, for every bucket, format and a few scales. Leaves every slot free."""
    costs = Costs(model.buckets)
    for bucket in model.buckets:
        for _ in range(_DISCARDED):
            _measure(model, bucket, Costs(model.buckets), clock)
        for _ in range(_MEASURED):
            decoded = _measure(model, bucket, costs, clock)
    for kind in _kinds(decoded):
        for repetition in range(_MEASURED):
            began = clock.now()
            encode(decoded.media[0], *kind)
            if repetition:
                costs.encodes.observe(kind, clock.now() - began)
    return costs


class Recovery:
    """Measures again while idle after a slowdown, so that what it made infeasible does not stay so.

    A request that is refused teaches nothing, so estimates which have grown too large for the requests that come would
    never shrink again by serving.

    Args:
        model: between requests.
        costs: just seeded by warm-up; taken for the machine's usual pace.
    """

    def __init__(self, model: AnytimeModel, costs: Costs, encode: Encode, clock: Clock) -> None:
        self._model = model
        self._costs = costs
        self._encode = encode
        self._clock = clock
        self._usual = costs.level()
        self._probes = 0

    @property
    def wanted(self) -> bool:
        """Whether the estimates are well above the usual pace."""
        return self._costs.level() > _INFLATED * self._usual

    def probe(self) -> None:
        """Measure one bucket and one kind of encoding; in turn, all of them.

        Once every window has been renewed, what is measured is the usual pace.
        """
        buckets, kinds = self._model.buckets, list(self._costs.encodes.table())
        decoded = _measure(self._model, buckets[self._probes % len(buckets)], self._costs, self._clock)
        if kinds:
            kind = kinds[self._probes % len(kinds)]
            began = self._clock.now()
            self._encode(decoded.media[0], *kind)
            self._costs.encodes.observe(kind, self._clock.now() - began)
        self._probes += 1
        if self._probes >= WINDOW * max(len(buckets), len(kinds)):
            self._probes, self._usual = 0, self._costs.level()


def _measure(model: AnytimeModel, batch: int, costs: Costs, clock: Clock) -> Decoded:
    """One step and one decode of a batch, observed."""
    slots = list(range(batch))
    for slot in slots:
        model.begin(slot, SampleRequest(seed=slot))
    try:
        began = clock.now()
        model.step(slots)
        stepped = clock.now()
        decoded = model.decode(slots)
        costs.steps.observe(batch, stepped - began)
        costs.decodes.observe(batch, clock.now() - stepped)
    finally:
        for slot in slots:
            model.release(slot)
    return decoded


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
