"""A whole run: from a recipe and data to a bundle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import get_args

from training.context import RunContext
from training.files import remove_leftovers
from training.processes import ALONE
from training.stages import autoencoder, codes, evaluate, export, prior
from training.state import STAGES, RunState, StageName, TrainedStage, open_state

STAGE_FUNCTIONS: dict[StageName, Callable[[RunContext], None]] = {
    # 1. Learn to reconstruct from all K codes, Eq. (5).
    "autoencoder": lambda context: autoencoder.run(context, "autoencoder"),
    # 2. Go on with random prefixes, so that codes sort themselves by importance, Eq. (6).
    # Each of these two is left out where the recipe has no such stage.
    "ordered": lambda context: autoencoder.run(context, "ordered"),
    # 3. Encode the training and validation images.
    "codes": codes.run,
    # 4. Learn the distribution of the codes, one after another.
    "prior": prior.run,
    # 5. Measure reconstructions and samples by code count.
    "evaluate": evaluate.run,
    # 6. Write the bundle that the service loads.
    "export": export.run,
}
TRAINED = get_args(TrainedStage)
# Once everything is trained one process is enough, and the others free their devices. Besides, torchmetrics asks every
# process that it is connected to for its share.
ALONE_FROM = STAGES.index("evaluate")


def run(context: RunContext) -> None:
    """Run every stage that is not complete yet, in order.

    A stage is complete once `state.json` says so; killed before that, it goes on from its checkpoint or starts again,
    with the same result. Several processes train together. All else is done by the main process: the others wait, and
    leave before the evaluation.

    Raises:
        AnytimeError: if the folder belongs to another run, a stage's input is unreadable, or training diverges.
    """
    processes = context.processes
    with processes.main_first():
        if processes.main:
            remove_leftovers(context.directory)
        state = open_state(context.directory, context.recipe, context.dataset.fingerprint)
    processes.wait()
    state = _run_stages(context, state, STAGES[:ALONE_FROM])
    processes.part()
    if processes.main:
        _run_stages(replace(context, processes=ALONE), state, STAGES[ALONE_FROM:])
        context.progress.say(f"bundle: {context.bundle_path}")


def _run_stages(context: RunContext, state: RunState, stages: Sequence[StageName]) -> RunState:
    processes = context.processes
    for stage in stages:
        if stage in {"autoencoder", "ordered"} and getattr(context.recipe.stages, stage) is None:
            continue
        if stage in state.completed:
            context.progress.say(f"{stage}: complete")
        else:
            if processes.main or stage in TRAINED:
                STAGE_FUNCTIONS[stage](context)
            state = _complete(context, state, stage)
        if processes.main:
            context.checkpoint_path(stage).unlink(missing_ok=True)
        processes.wait()  # the next stage reads what this one has written
    return state


def _complete(context: RunContext, state: RunState, stage: StageName) -> RunState:
    state = state.with_completed(stage)
    if context.processes.main:
        state.write(context.directory)
    return state
