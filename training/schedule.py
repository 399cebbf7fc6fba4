"""Learning rates as a pure function of the step, so that a resumed run needs no scheduler state."""

from __future__ import annotations

import math

from training.options import Optimisation


def learning_rate(settings: Optimisation, step: int, total: int) -> float:
    """The learning rate of one step.

    Args:
        settings: peak rate, schedule and the share of steps that warm up.
        step: 0 .. total - 1, counted over the whole stage.
        total: steps of the whole stage.
    """
    warmup = round(settings.warmup * total)
    if step < warmup:
        return settings.learning_rate * (step + 1) / warmup
    if settings.schedule == "constant":
        return settings.learning_rate
    progress = (step - warmup) / max(1, total - warmup)
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))
