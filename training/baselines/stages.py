"""The trained stages of a baseline, each done once."""

from __future__ import annotations

from collections.abc import Callable

from training.context import Run
from training.loop import Task, train
from training.options import Optimisation
from training.recipe import Experiment


def train_missing(run: Run[Experiment], stage: str, task: Callable[[], Task], settings: Optimisation) -> None:
    """Train a stage, from its checkpoint if it has one, unless its weights are there, which are written at its end."""
    if run.weights_path(stage).is_file():
        run.progress.say(f"{stage}: complete")
    else:
        train(run, task(), settings)
    run.checkpoint_path(stage).unlink(missing_ok=True)
