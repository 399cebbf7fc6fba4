"""A whole run: from a recipe and data to a bundle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Generic, NamedTuple, TypeVar, get_args

from training.context import Run, RunContext
from training.files import remove_leftovers
from training.processes import ALONE
from training.stages import autoencoder, codes, evaluate, export, prior
from training.state import STAGES, RunState, StageName, StateOf, TrainedStage, open_state_of

AnyRun = TypeVar("AnyRun", bound=Run[Any])
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
ALONE_FROM = "evaluate"


class Stage(NamedTuple, Generic[AnyRun]):
    """One of a run's stages.

    Attributes:
        trained: whether all processes share its work; else it is the main one's.
    """

    name: str
    run: Callable[[AnyRun], None]
    trained: bool


def run(context: RunContext) -> None:
    """Train an ordered model: run every stage that is not complete yet, in order. Raises like `run_stages`."""
    left_out = {name for name in ("autoencoder", "ordered") if getattr(context.recipe.stages, name) is None}
    stages = [Stage(name, STAGE_FUNCTIONS[name], name in TRAINED) for name in STAGES if name not in left_out]
    run_stages(context, RunState, stages)


def run_stages(context: AnyRun, kind: type[StateOf[Any]], stages: Sequence[Stage[AnyRun]]) -> None:
    """Run every stage that is not complete yet, in order.

    A stage is complete once `state.json` says so; killed before that, it goes on from its checkpoint or starts again,
    with the same result. Several processes train together. All else is done by the main process: the others wait, and
    leave before the evaluation.

    Args:
        kind: of state.
        stages: all of them; one is `ALONE_FROM`.

    Raises:
        AnytimeError: if the folder belongs to another run, a stage's input is unreadable, or training diverges.
    """
    processes = context.processes
    with processes.main_first():
        if processes.main:
            remove_leftovers(context.directory)
        state = open_state_of(kind, context.directory, context.recipe, context.dataset.fingerprint)
    processes.wait()
    alone = [stage.name for stage in stages].index(ALONE_FROM)
    state = _run_each(context, state, stages[:alone])
    processes.part()
    if processes.main:
        _run_each(replace(context, processes=ALONE), state, stages[alone:])
        if context.bundle_path.is_dir():  # there are runs that only measure
            context.progress.say(f"bundle: {context.bundle_path}")


def _run_each(context: AnyRun, state: StateOf[Any], stages: Sequence[Stage[AnyRun]]) -> StateOf[Any]:
    processes = context.processes
    for stage in stages:
        if stage.name in state.completed:
            context.progress.say(f"{stage.name}: complete")
        else:
            if processes.main or stage.trained:
                stage.run(context)
            state = state.with_completed(stage.name)
            if processes.main:
                state.write(context.directory)
        if processes.main:
            context.checkpoint_path(stage.name).unlink(missing_ok=True)
        processes.wait()  # the next stage reads what this one has written
    return state
