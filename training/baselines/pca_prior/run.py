"""The whole of appendix D: two models trained, then measured."""

from __future__ import annotations

from functools import partial

from training.baselines.options import PCAPriorRecipe
from training.baselines.pca_prior import plots
from training.baselines.pca_prior.measure import evaluate
from training.baselines.pca_prior.report import PCAPriorReport
from training.baselines.pca_prior.task import STAGES, DensityTask, settings_of
from training.baselines.stages import train_missing
from training.context import Run
from training.evaluation.report import REPORT
from training.files import write_atomically


def run_pca_prior(run: Run[PCAPriorRecipe]) -> PCAPriorReport:
    """Train what is not trained yet, then measure; the report is written last."""
    for stage in STAGES:
        train_missing(run, stage, partial(DensityTask, run, stage), settings_of(run, stage))
    report = evaluate(run)
    plots.write(run.evaluation_directory, report)
    write_atomically(run.evaluation_directory / REPORT, report.to_json())
    return report
