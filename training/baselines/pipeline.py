"""A whole run of a baseline, whatever its kind."""

from __future__ import annotations

from typing import cast

from training.baselines.options import BaselineRecipe, PCAPriorRecipe, VAERecipe
from training.baselines.pca_prior.report import PCAPriorReport
from training.baselines.pca_prior.run import run_pca_prior
from training.baselines.state import claim_folder
from training.baselines.vae.report import VAEReport
from training.baselines.vae.run import run_vae
from training.context import Run
from training.files import remove_leftovers


def run(context: Run[BaselineRecipe]) -> VAEReport | PCAPriorReport:
    """Train what is not trained yet, measure, and write `evaluation/report.json` with its plots.

    Raises:
        AnytimeError: if the folder belongs to another run, something in it is unreadable, or training diverges.
    """
    remove_leftovers(context.directory)
    claim_folder(context.directory, context.recipe, context.dataset.fingerprint)
    # The recipe's type is the run's, which no type checker can see.
    if isinstance(context.recipe, VAERecipe):
        return run_vae(cast("Run[VAERecipe]", context))
    return run_pca_prior(cast("Run[PCAPriorRecipe]", context))
