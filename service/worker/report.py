"""Numbers for the metrics and for admission, gathered while serving."""

from __future__ import annotations

import resource
import sys
from collections.abc import Sequence
from time import process_time

from service import messages
from service.worker.engine import Engine

INTERVAL = 0.1
_MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024  # what getrusage counts memory in


class Usage:
    """What this process has had of its machine."""

    def __init__(self) -> None:
        self._counted = 0.0

    def cpu_s(self) -> float:
        """Seconds of processor time since this was last asked, or since the process began."""
        before, self._counted = self._counted, process_time()
        return self._counted - before

    @staticmethod
    def memory_bytes() -> int:
        """The most memory that it has had."""
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _MAXRSS_BYTES


def minimum(engine: Engine) -> messages.Minimum:
    """What the parts of the smallest answer of a model take."""
    costs = engine.costs
    encodings = [messages.EncodeCost(*kind, takes) for kind, takes in costs.encodes.table().items()]
    decoded = costs.share(0)
    shares = (decoded, costs.share(1) - decoded)
    return messages.Minimum(costs.steps.duration(1), costs.decodes.duration(1), costs.further(), shares, encodings)


def _batches(engine: Engine) -> messages.Batches:
    shortages, engine.shortages = engine.shortages, 0
    return messages.Batches(engine.costs.steps.largest, engine.costs.decodes.largest, shortages)


def stats(engines: Sequence[Engine], usage: Usage) -> messages.Stats:
    """What happened since the last time; the engines' steps are taken away."""
    counts = [engine.counts() for engine in engines]
    steps = {}
    for engine in engines:
        if engine.steps:
            steps[engine.name], engine.steps = engine.steps, []
    return messages.Stats(
        running=sum(running for running, _ in counts),
        waiting=sum(waiting for _, waiting in counts),
        steps=steps,
        reserve_s={engine.name: engine.reserve_s for engine in engines},
        minimums={engine.name: minimum(engine) for engine in engines},
        cpu_s=usage.cpu_s(),
        memory_bytes=usage.memory_bytes(),
        batches={engine.name: _batches(engine) for engine in engines},
    )
