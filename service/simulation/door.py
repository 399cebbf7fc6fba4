"""Admission to the simulated devices: the service's own, asked with the service's own estimate."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush
from math import inf

from service import messages
from service.admission import Admission, Place, Prospect
from service.errors import DeadlineInfeasible, Overloaded
from service.pool.outlook import floor_s, minimum, turn_s
from service.pool.ticket import Generation
from service.scheduler import Costs, Kind
from service.scheduler.costs import NO_TIME, Duration, Window, exactly
from service.simulation.traces import Arrival

_MODEL = "simulated"
_REPORTED_S = 0.1  # workers tell what their operations cost this often
_WAYS = 256
_SAMPLING = messages.Sampling(seed=0, label=None, temperature=1.0, top_k=0, top_p=1.0)


class Door:
    """Lets requests in or refuses them, and counts both.

    Args:
        costs: of each device, which go on learning.
        slots: of each device.
        queue_limit: samples that may wait besides.
        network: seconds that are kept back for the network and the client.

    What the way back has cost is learnt from those who went it, and kept back for those who set out.

    Attributes:
        infeasible, overloaded: requests that were refused because of their deadline, or because the house was full.
    """

    def __init__(self, costs: Sequence[Costs], slots: int, queue_limit: int, network: float = 0.0) -> None:
        self.infeasible = 0
        self.overloaded = 0
        self._costs = costs
        self._slots = slots
        self._admission = Admission(queue_limit)
        self._places: dict[str, Place] = {}
        self._leaving: list[tuple[float, str]] = []
        self._reported = -inf
        self._prospects: dict[tuple[int, int, Kind], Prospect] = {}
        self._way = Window(_WAYS)
        self._network = exactly(network)

    @property
    def way(self) -> Duration:
        """What the way back from a worker takes, and the network, in seconds; its high quantile is kept back."""
        return (self._way.duration if self._way else NO_TIME).then(self._network)

    def admits(self, name: str, arrival: Arrival) -> bool:
        """Whether a request is let in. Requests must be asked for in the order in which they come."""
        while self._leaving and self._leaving[0][0] <= arrival.at:
            self._admission.leave(self._places.pop(heappop(self._leaving)[1]))
        deadline = arrival.at + arrival.within
        try:
            place = self._admission.admit(_MODEL, arrival.samples, arrival.at, deadline, self._prospect(arrival))
        except DeadlineInfeasible:
            self.infeasible += 1
            return False
        except Overloaded:
            self.overloaded += 1
            return False
        self._places[name] = place
        return True

    def answered(self, name: str, at: float, back: float, *, late: bool, least: bool) -> None:
        """A request that was let in has its answer at this second, which may be yet to come, after so long a way.

        See `Admission.answered` for the rest.
        """
        heappush(self._leaving, (at, name))
        self._admission.answered(_MODEL, late=late, least=least)
        self._way.observe(back)

    def _prospect(self, arrival: Arrival) -> Prospect:
        if arrival.at >= self._reported + _REPORTED_S:
            self._reported = arrival.at
            self._prospects.clear()
        asked = (arrival.samples, arrival.min_codes, arrival.kind)
        if asked not in self._prospects:
            wanted = _generation(arrival)
            reports = [_reported(costs) for costs in self._costs]
            least = min(minimum(wanted, each, self._slots).then(self.way) for each in reports)
            self._prospects[asked] = Prospect(
                minimum_ms=1000 * least.likely,
                safe_ms=1000 * least.high,
                slots=self._slots * len(reports),
                work_ms=1000 * max(floor_s(wanted, each) for each in reports) / len(reports),
                turn_ms=1000 * max(map(turn_s, reports)),
            )
        return self._prospects[asked]


def _reported(costs: Costs) -> messages.Minimum:
    """What a worker with these costs tells about the smallest answer."""
    encodings = [messages.EncodeCost(*kind, takes) for kind, takes in costs.encodes.table().items()]
    decoded = costs.share(0)
    shares = (decoded, costs.share(1) - decoded)
    return messages.Minimum(costs.steps.duration(1), costs.decodes.duration(1), costs.further(), shares, encodings)


def _generation(arrival: Arrival) -> Generation:
    return Generation(
        model=_MODEL,
        n=arrival.samples,
        sampling=_SAMPLING,
        encoding=messages.Encoding(*arrival.kind),
        min_codes=arrival.min_codes,
        max_codes=arrival.max_codes,
        preview_ms=None,
    )
