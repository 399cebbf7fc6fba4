"""Has the null executor of worker processes sleep in every step, for as many seconds as BENCH_STEP_S says.

So several engines on one small machine behave as on machines of their own: what they wait for takes no processor.
Python imports this module by its name when it starts, where this folder is on the path; only `bench.ray` puts it there.
"""

import os
import sys

if "service.worker" in sys.orig_argv and "BENCH_STEP_S" in os.environ:
    import time
    from collections.abc import Sequence

    from models.runtime.null import NullExecutor

    _step, _seconds = NullExecutor.step, float(os.environ["BENCH_STEP_S"])

    def _sleep_and_step(self: NullExecutor, slots: Sequence[int]) -> None:
        time.sleep(_seconds)
        _step(self, slots)

    NullExecutor.step = _sleep_and_step  # type: ignore[method-assign]
