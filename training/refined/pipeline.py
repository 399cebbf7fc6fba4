"""A whole run of a refined model, from an ordered model's bundle."""

from __future__ import annotations

from training.pipeline import ALONE_FROM, Stage, run_stages
from training.refined import evaluate, export, pictures, refiner
from training.refined.context import PICTURES, REFINER, RefinedContext
from training.refined.recipe import RefinedRecipe
from training.state import StateOf

STAGES: tuple[Stage[RefinedContext], ...] = (
    # See what the base makes of all images.
    Stage(PICTURES, pictures.run, trained=False),
    # Learn the distribution of their pixels, given that.
    Stage(REFINER, refiner.run, trained=True),
    # Measure bits per dimension, samples and reconstructions.
    Stage(ALONE_FROM, evaluate.run, trained=False),
    # Write the bundle, with the base in it.
    Stage("export", export.run, trained=False),
)


def run_refined(context: RefinedContext) -> None:
    """Run every stage that is not complete yet, in order.

    Raises:
        RecipeError: the base cannot be read, or does not fit.
        AnytimeError: like `run_stages`.
    """
    context.check_base()
    run_stages(context, StateOf[RefinedRecipe], STAGES)
