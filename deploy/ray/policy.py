"""How many engines there should be, by the quality that they shed: not by the number of requests, which says little
where each gets what there is time for.
"""

from __future__ import annotations

from typing import Any

from ray.serve.config import AutoscalingContext

from service.fleet.demand import Load, replicas_for


class ShedQuality:
    """Asks `replicas_for`; Serve sees to the limits and delays of its `AutoscalingConfig`.

    Args:
        target: expected quality, from 0 to 1, that a sample may lack on average.
    """

    def __init__(self, target: float = 0.02) -> None:
        self._target = target

    def __call__(self, context: AutoscalingContext) -> tuple[int, dict[str, Any]]:
        """See `AutoscalingPolicy`."""
        metrics = context.aggregated_metrics or {}
        reporting = set.intersection(*(set(metrics.get(name, {})) for name in Load._fields))
        loads = [Load(*(metrics[name][replica] for name in Load._fields)) for replica in reporting]
        return replicas_for(loads, context.current_num_replicas, self._target), {}
