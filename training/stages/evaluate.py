"""The stage that measures the trained model and fits its quality curve."""

from __future__ import annotations

from models.bundle.networks import Networks
from models.curve import fit_quality_curve
from models.errors import AnytimeError
from training.context import RunContext
from training.evaluation.audio.sound import distortion
from training.evaluation.decoding import laid_out
from training.evaluation.eight_bit import summary
from training.evaluation.measure import Evaluation, evaluate
from training.evaluation.pca import mean_image
from training.evaluation.provenance import build_manifest
from training.evaluation.reconstruction import errors_by_length
from training.evaluation.words import ONE_CLASS, words_for


def run(context: RunContext) -> None:
    """Write the report, plots and pictures into the run's `evaluation` folder.

    Raises:
        AnytimeError: if the autoencoder reconstructs no better than a constant answer and so has no quality curve.
    """
    autoencoder = context.autoencoder()
    constant = mean_image(context.dataset.train.images)
    lowered = distortion(context.recipe.media, context.recipe.stages.spectral, context.device)
    # Held-out samples, not the test set: the curve ships with the model and the service's decisions rest on it.
    validation = context.dataset.validation
    quick = laid_out(autoencoder, context.device)
    held_out = errors_by_length(quick, validation, constant, context.device, lowered).mean(0)
    try:
        curve = fit_quality_curve(held_out.tolist())
    except ValueError as error:
        words = words_for(context.recipe.media.shape)
        measure = "error" if context.recipe.stages.spectral else "squared error"
        raise AnytimeError(
            f"evaluate: with all its codes the autoencoder is no better than the mean {words.one} on the validation "
            f"{words.many} ({measure} {held_out[-1]:.3f} against {held_out[0]:.3f}); train it for longer"
        ) from error
    recipe = context.recipe
    evaluation = Evaluation(
        networks=Networks(build_manifest(context, curve), autoencoder, context.prior()),
        dataset=context.dataset,
        recipe=recipe.evaluate,
        samples=recipe.evaluate.samples_per_class * len(recipe.labels),
        seed=recipe.seed,
        directory=context.evaluation_directory,
        device=context.device,
        trained_on=True,
        judge=context.judge,
    )
    with context.progress.stage("evaluate", evaluation.steps) as progress:
        report = evaluate(evaluation, progress)
        for claim in report.claims:
            progress.say(f"{'holds' if claim.holds else 'does NOT hold'}: {claim.statement}")
        progress.say(f"eight bits: {summary(report)}")
        if report.samples.fractions[-1].recognition is None:
            progress.say(f"evaluate: {ONE_CLASS}")
