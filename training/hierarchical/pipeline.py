"""A whole run of a hierarchical model (algorithm 1)."""

from __future__ import annotations

from functools import partial

from training.hierarchical import codes, evaluate, export, level, prior
from training.hierarchical.context import PRIOR, HierarchicalContext, codes_stage, level_stage
from training.hierarchical.recipe import HierarchicalRecipe
from training.pipeline import ALONE_FROM, Stage, run_stages
from training.state import StateOf

Stages = list[Stage[HierarchicalContext]]


def stages_of(recipe: HierarchicalRecipe) -> Stages:
    """The stages of a run, in order."""
    return [
        *trained_stages(recipe),
        # Measure bits per dimension, samples and reconstructions.
        Stage(ALONE_FROM, evaluate.run, trained=False),
        # Write the bundle.
        Stage("export", export.run, trained=False),
    ]


def trained_stages(recipe: HierarchicalRecipe) -> Stages:
    """Those up to the prior, in order."""
    stages: Stages = []
    for number in range(1, len(recipe.levels) + 1):
        # Learn to turn pixels, or the codes of the level below, into codes, and back.
        stages.append(Stage(level_stage(number), partial(level.run, number=number), trained=True))
        # Do so with all images: what the next level, or the prior, learns from.
        stages.append(Stage(codes_stage(number), partial(codes.run, number=number), trained=False))
    # Learn the distribution of the topmost codes, given labels.
    return [*stages, Stage(PRIOR, prior.run, trained=True)]


def run_hierarchical(context: HierarchicalContext) -> None:
    """Run every stage that is not complete yet, in order. Raises like `run_stages`."""
    run_stages(context, StateOf[HierarchicalRecipe], stages_of(context.recipe))
