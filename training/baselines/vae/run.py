"""The whole of Fig. 7: two VAEs trained, then measured beside PCA."""

from __future__ import annotations

from functools import partial

from training.baselines.options import VAERecipe
from training.baselines.stages import train_missing
from training.baselines.vae import plots
from training.baselines.vae.measure import evaluate
from training.baselines.vae.report import VAEReport
from training.baselines.vae.task import STAGES, VAETask, settings_of
from training.context import Run
from training.evaluation.report import REPORT
from training.files import write_atomically


def run_vae(run: Run[VAERecipe]) -> VAEReport:
    """Train what is not trained yet, then measure; the report is written last."""
    for stage in STAGES:
        train_missing(run, stage, partial(VAETask, run, stage), settings_of(run, stage))
    report = evaluate(run)
    plots.write(run.evaluation_directory, report)
    write_atomically(run.evaluation_directory / REPORT, report.to_json())
    return report
