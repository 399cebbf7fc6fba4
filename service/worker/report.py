"""Numbers for the metrics and for admission, gathered while serving."""

from __future__ import annotations

from collections.abc import Sequence

from service import messages
from service.worker.engine import Engine

INTERVAL = 0.1


def minimum(engine: Engine) -> messages.Minimum:
    """What the parts of the smallest answer of a model take."""
    costs = engine.costs
    encodings = [messages.EncodeCost(*kind, takes) for kind, takes in costs.encodes.table().items()]
    decoded = costs.share(0)
    shares = (decoded, costs.share(1) - decoded)
    return messages.Minimum(costs.steps.duration(1), costs.decodes.duration(1), costs.further(), shares, encodings)


def stats(engines: Sequence[Engine]) -> messages.Stats:
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
    )
