"""A whole run: from a recipe and data to a bundle."""

from __future__ import annotations

from collections.abc import Callable

from training.context import RunContext
from training.files import remove_leftovers
from training.stages import autoencoder, codes, evaluate, export, prior
from training.state import STAGES, RunState, StageName, open_state

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


def run(context: RunContext) -> None:
    """Run every stage that is not complete yet, in order.

    A stage is complete once `state.json` says so; killed before that, it goes on from its checkpoint or starts again,
    with the same result.

    Raises:
        AnytimeError: if the folder belongs to another run, a stage's input is unreadable, or training diverges.
    """
    remove_leftovers(context.directory)
    state = open_state(context.directory, context.recipe, context.dataset.fingerprint)
    for stage in STAGES:
        if stage in {"autoencoder", "ordered"} and getattr(context.recipe.stages, stage) is None:
            continue
        if stage in state.completed:
            context.progress.say(f"{stage}: complete")
        else:
            STAGE_FUNCTIONS[stage](context)
            state = _complete(context, state, stage)
        context.checkpoint_path(stage).unlink(missing_ok=True)
    context.progress.say(f"bundle: {context.bundle_path}")


def _complete(context: RunContext, state: RunState, stage: StageName) -> RunState:
    state = state.with_completed(stage)
    state.write(context.directory)
    return state
