"""Fig. 7: an ordered VAE beside a standard one and PCA, judged as the codes of Fig. 3 are."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from training.evaluation.intervals import Estimate
from training.report.collect import FinishedVAE, RunsOf
from training.report.drawing import Drawn, claims_table, paired, series
from training.report.figures.gains import disorder_of, gains_figure
from training.report.figures.reconstruction import error_figure

VARIANT = "vae"
ORDERED, STANDARD, PCA = "ordered VAE", "standard VAE", "PCA"


def draw(runs: RunsOf[FinishedVAE]) -> Drawn:
    """Both panels. A run has trained both VAEs with its seed, so every difference is paired."""
    gains, errors = _gains(runs), _errors(runs)
    return Drawn(
        pictures=(*gains.pictures, *errors.pictures),
        tables=(*gains.tables, *errors.tables, claims_table(runs, VARIANT)),
        verdicts=(*gains.verdicts, *errors.verdicts),
        numbers={"gains": gains.numbers, "errors": errors.numbers},
        notes=(*gains.notes, "Reconstructions are from the mean of the posterior; PCA's are clipped to [0, 1]."),
    )


def _gains(runs: RunsOf[FinishedVAE]) -> Drawn:
    picks: dict[str, Callable[[FinishedVAE], list[float]]] = {
        ORDERED: lambda run: _means(run.report.ordered.curve.gains),
        STANDARD: lambda run: _means(run.report.standard.curve.gains),
        PCA: lambda run: _means(run.report.pca_clamped.gains),
    }
    x = range(1, runs.first(VARIANT).report.latents + 1)
    lines = [series(runs, VARIANT, x, pick, name=name, baseline=name == PCA) for name, pick in picks.items()]
    seeds = runs.variants[VARIANT].items()
    disorder = {name: {seed: disorder_of(pick(run)) for seed, run in seeds} for name, pick in picks.items()}
    statement = "The Δ(i) of the ordered VAE decay, in disorder nearer to PCA's than to the standard VAE's"
    return gains_figure(lines, disorder, statement, "latent")


def _errors(runs: RunsOf[FinishedVAE]) -> Drawn:
    picks: dict[str, Callable[[FinishedVAE], list[float]]] = {
        ORDERED: lambda run: _means(run.report.ordered.curve.errors),
        STANDARD: lambda run: _means(run.report.standard.curve.errors),
        PCA: lambda run: _means(run.report.pca_clamped.errors),
    }
    x = range(runs.first(VARIANT).report.latents + 1)
    lines = [series(runs, VARIANT, x, pick, name=name, baseline=name == PCA) for name, pick in picks.items()]
    places, seeds = [str(n) for n in x], runs.variants[VARIANT]
    ordered, standard, linear = picks.values()
    gaps = (
        paired(seeds, seeds, places, standard, ordered),
        paired(seeds, seeds, places, linear, ordered),
        paired(seeds, seeds, places, standard, linear),
    )
    statements = (
        "The ordered VAE reconstructs better than the standard one at every number of latents below all",
        "The ordered VAE reconstructs better than as many principal components",
        "With up to a quarter of the latents PCA reconstructs better than the standard VAE",
        "The ordered VAE reconstructs no worse than the standard one with all latents",
    )
    return error_figure(lines, gaps, statements, "latents")


def _means(estimates: Sequence[Estimate]) -> list[float]:
    return [estimate.value for estimate in estimates]
