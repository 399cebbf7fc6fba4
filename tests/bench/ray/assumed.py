"""What a GPU is assumed to take, for the simulator where none can be measured:

    PYTHONPATH=tests:. python -m bench.ray.assumed

writes `docs/performance/gpu-assumed.json`. The GPU is an H100 by its data sheet, the model a prior of five billion
parameters in float16: one for which one would want many GPUs.
"""

from __future__ import annotations

import json
from math import exp
from statistics import NormalDist

from bench.ray.tables import DOCS

FILE = DOCS / "performance" / "gpu-assumed.json"
BATCHES = (1, 2, 4, 8, 16, 32, 64)
PARAMETERS = 5e9
BYTES_PER_S = 3.35e12
FLOPS_PER_S = 0.4 * 989e12  # of which large products reach two fifths
DECIDED_AND_LAUNCHED_MS = 0.2
DECODE_MS, DECODE_FURTHER_MS = 2.0, 0.05
PNG_MS = 0.12  # measured, on a CPU: it is what encodes
SPREAD = 0.08  # standard deviation of the logarithm
_POINTS = 20


def costs() -> dict[str, object]:
    """As a worker records them (`service.recorded`)."""
    read_ms = 1000 * 2 * PARAMETERS / BYTES_PER_S
    sample_ms = 1000 * 2 * PARAMETERS / FLOPS_PER_S
    steps = {batch: DECIDED_AND_LAUNCHED_MS + read_ms + batch * sample_ms for batch in BATCHES}
    decodes = {batch: DECODE_MS + (batch - 1) * DECODE_FURTHER_MS for batch in BATCHES}
    return {
        "steps_ms": {str(batch): _spread(each) for batch, each in steps.items()},
        "decodes_ms": {str(batch): _spread(each) for batch, each in decodes.items()},
        "encodes_ms": {"png:1": _spread(PNG_MS)},
    }


def _spread(median: float) -> list[float]:
    normal = NormalDist(0.0, SPREAD)
    return [round(median * exp(normal.inv_cdf((index + 0.5) / _POINTS)), 4) for index in range(_POINTS)]


if __name__ == "__main__":
    FILE.write_text(json.dumps(costs()) + "\n", "utf-8")
