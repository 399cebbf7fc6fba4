"""At the door: what cannot be served is refused at once, before it costs anybody anything.

There is no await between the check and the count, so that in the one event loop both are one step.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from service.errors import DeadlineInfeasible, Draining, Overloaded, WorkerLost


@dataclass(frozen=True, slots=True)
class Prospect:
    """What a request would find inside.

    Attributes:
        minimum_ms: the smallest deadline with which it would probably be answered in time, everything included.
        safe_ms: the smallest with which it almost certainly would.
        slots: samples that the ready workers can have in progress, for its model.
        ready_in_ms: when a worker is expected to be ready; 0 if one is, None if that cannot be said.
    """

    minimum_ms: float
    safe_ms: float
    slots: int
    ready_in_ms: float | None = 0.0


class Admission:
    """Counts the samples inside, per model, and says no when they are too many or too late.

    Args:
        queue_limit: samples that may wait for a slot, per model.
    """

    def __init__(self, queue_limit: int) -> None:
        self.draining = False
        self._queue_limit = queue_limit
        self._inside: Counter[str] = Counter()

    def inside(self, model: str) -> int:
        """Samples in progress or waiting."""
        return self._inside[model]

    def admit(self, model: str, samples: int, remaining_ms: float, prospect: Prospect) -> None:
        """Let a request in and count its samples, until `leave`.

        Raises:
            Draining: the server is shutting down.
            WorkerLost: no worker is ready, and none is expected in time.
            DeadlineInfeasible: no minimum result fits into the time.
            Overloaded: every slot and every place in the queue is taken.
        """
        if self.draining:
            raise Draining("The server is shutting down.")
        if remaining_ms < prospect.minimum_ms:
            raise DeadlineInfeasible(
                f"No result fits into {max(remaining_ms, 0.0):.1f} ms; the smallest deadline that would do now is "
                f"{prospect.safe_ms:.1f} ms.",
                prospect.safe_ms,
            )
        if prospect.ready_in_ms is None or remaining_ms < prospect.minimum_ms + prospect.ready_in_ms:
            raise WorkerLost("No worker is ready, and none is expected in time.")
        places = prospect.slots + self._queue_limit
        if self._inside[model] + samples > places:
            raise Overloaded(
                f"All {places} places for the model {model} are taken, or too few are left for {samples} samples."
            )
        self._inside[model] += samples

    def leave(self, model: str, samples: int) -> None:
        """A request that was let in has had its ending."""
        self._inside[model] -= samples
