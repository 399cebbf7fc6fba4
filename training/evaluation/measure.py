"""The evaluation itself: from a model and data to a report, plots and pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from models.bundle.networks import Networks
from training.data.dataset import Dataset, Split
from training.evaluation import claims, eight_bit, kinds, pca, reconstruction, samples
from training.evaluation.classifier import ClassifierConfig, Judge, Judgement, JudgeSource
from training.evaluation.frechet import FrechetReference, distances
from training.evaluation.intervals import means, proportion
from training.evaluation.known import identify
from training.evaluation.progress import Progress
from training.evaluation.report import (
    REPORT,
    DataFacts,
    DistanceFacts,
    ExtractorFacts,
    FractionFacts,
    ReconstructionFacts,
    Report,
    SampleFacts,
)
from training.evaluation.versions import versions
from training.evaluation.words import words_for
from training.files import write_atomically
from training.recipe import EvaluateRecipe
from training.seeds import derive_seed, shuffled

CLASSIFIER = "classifier.safetensors"
MEASUREMENTS = 6  # steps beside the classifier's epochs


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One evaluation: what is judged, on what, how much of it and where results go.

    Attributes:
        samples: how many are drawn; at least two, and one for each label.
        trained_on: whether the model was trained on this data, where that is known.
        judge: the classifier that judges the samples, where several models must have the same; None is one of its own.
    """

    networks: Networks
    dataset: Dataset
    recipe: EvaluateRecipe
    samples: int
    seed: int
    directory: Path
    device: torch.device
    trained_on: bool | None
    judge: JudgeSource | None = None

    @property
    def classifier(self) -> JudgeSource:
        """What judges the samples: what was given, or a classifier of the model's own training images."""
        config = ClassifierConfig(epochs=self.recipe.classifier_epochs, seed=self.seed)
        return self.judge or JudgeSource(config, self.dataset.train, self.directory / CLASSIFIER)

    @property
    def fractions(self) -> tuple[float, ...]:
        """Of the codes, at which samples are judged and shown."""
        return self.recipe.fractions or samples.fractions_of(self.networks.manifest.media)

    @property
    def steps(self) -> int:
        """How many steps it reports as progress."""
        return self.classifier.config.epochs + MEASUREMENTS

    @property
    def test(self) -> Split:
        """The test images, or as many of the first as the recipe asks for."""
        return self.dataset.test.take(slice(self.recipe.images))


def evaluate(evaluation: Evaluation, progress: Progress) -> Report:
    """Measure everything and write `report.json`, the plots and the pictures into the evaluation's folder.

    The report is written last: a folder with a report is a complete one.
    """
    networks, dataset = evaluation.networks, evaluation.dataset
    kind = kinds.kind_of(networks.manifest.media)
    extractor = _extractor(evaluation, kind, progress)
    judged_test = extractor.judge(evaluation.test.images)
    progress.describe("reconstructions")
    reconstructed = _reconstruction(evaluation, kind)
    progress.advance()
    progress.describe("drawing samples")
    labels = samples.labels_like(evaluation.test.labels, len(networks.manifest.labels), evaluation.samples)
    drawn = samples.draw(networks, labels, evaluation.seed)
    progress.advance()
    progress.describe("judging samples")
    reference = FrechetReference(judged_test.features)
    sampled = _samples(evaluation, extractor, reference, drawn)
    distance = _distance(evaluation, extractor, reference)
    progress.advance()
    progress.describe("drawing samples with eight bits")
    cost = eight_bit.check(networks, extractor, reference, drawn, sampled)
    progress.advance()
    data = identify(dataset.fingerprint)
    report = kind.report(
        model=networks.manifest.name,
        model_version=networks.manifest.version,
        codes=networks.manifest.codes,
        codebook=networks.manifest.autoencoder.codebook,
        seed=evaluation.seed,
        data=DataFacts(
            name=data.name,
            licence=data.licence,
            fingerprint=dataset.fingerprint,
            shape=networks.manifest.media.shape,
            train_images=len(dataset.train),
            test_images=len(evaluation.test),
            trained_on=evaluation.trained_on,
        ),
        extractor=_extractor_facts(evaluation, extractor, judged_test),
        reconstruction=reconstructed,
        quality_curve=networks.manifest.quality_curve,
        distance=distance,
        samples=sampled,
        eight_bit=cost,
        claims=claims.check(reconstructed, sampled),
        versions=versions(),
    )
    progress.describe("pictures")
    kind.show(evaluation.directory, networks, drawn, evaluation.test, evaluation.fractions, evaluation.device)
    progress.advance()
    progress.describe("plots")
    kind.plot(evaluation.directory, report)
    write_atomically(evaluation.directory / REPORT, report.to_json())
    progress.advance()
    return report


def _extractor(evaluation: Evaluation, kind: kinds.Kind, progress: Progress) -> Judge:
    source = evaluation.classifier

    def show(line: str) -> None:
        progress.describe(line)
        progress.advance()

    progress.describe("classifier")
    classes = len(evaluation.networks.manifest.labels)
    return kind.judge(source.cache, source.config, source.train, classes, evaluation.device, show)


def _extractor_facts(evaluation: Evaluation, extractor: Judge, judged: Judgement) -> ExtractorFacts:
    hits = int((judged.predictions == evaluation.test.labels).sum())
    return ExtractorFacts(
        name=extractor.name,
        features=judged.features.shape[1],
        epochs=extractor.epochs,
        seed=evaluation.classifier.config.seed,
        test_accuracy=proportion(hits, len(judged.predictions)),
    )


def _reconstruction(evaluation: Evaluation, kind: kinds.Kind) -> ReconstructionFacts:
    manifest, train, test = evaluation.networks.manifest, evaluation.dataset.train, evaluation.test
    components = kind.components(train.images, manifest.codes)
    constant = pca.mean_image(train.images)
    errors = reconstruction.errors_by_length(evaluation.networks.autoencoder, test, constant, evaluation.device)
    clamped = components.errors(test.images, clamp=True)
    pixels = test.images[0].numel()
    model = reconstruction.curve(errors, pixels)
    facts = ReconstructionFacts(
        images=len(test),
        model=model,
        pca=reconstruction.curve(components.errors(test.images, clamp=False), pixels),
        pca_clamped=reconstruction.curve(clamped, pixels),
        below_pca=means((clamped - errors)[:, 1:]),
        quality=reconstruction.shares([error.value for error in model.errors]),
    )
    return kind.complete(facts, evaluation.networks, test, constant, evaluation.device)


def _samples(
    evaluation: Evaluation, extractor: Judge, reference: FrechetReference, drawn: samples.Samples
) -> SampleFacts:
    networks = evaluation.networks
    lengths = [samples.codes_for(fraction, networks.manifest.codes) for fraction in evaluation.fractions]
    judged = [samples.judge_at(extractor, networks, drawn.codes, length, evaluation.device) for length in lengths]
    found, drops = distances(
        reference, [part.features for part in judged], derive_seed(evaluation.seed, "evaluation", "bootstrap")
    )
    fractions = []
    for fraction, length, distance, part in zip(evaluation.fractions, lengths, found, judged, strict=True):
        hits = part.predictions == drawn.labels
        by_label = {
            name: proportion(int(hits[drawn.labels == label].sum()), int((drawn.labels == label).sum()))
            for label, name in enumerate(networks.manifest.labels)
        }
        fractions.append(
            FractionFacts(
                fraction=fraction,
                codes=length,
                distance=distance,
                recognition=proportion(int(hits.sum()), len(hits)),
                recognition_by_label=by_label,
            )
        )
    return SampleFacts(
        count=len(drawn.codes),
        seed=evaluation.seed,
        sampling=networks.manifest.sampling,
        fractions=tuple(fractions),
        distance_drop=tuple(drops),
    )


def _distance(evaluation: Evaluation, extractor: Judge, reference: FrechetReference) -> DistanceFacts:
    train, test, manifest = evaluation.dataset.train, evaluation.test, evaluation.networks.manifest
    # Sets as large as the samples', since FD depends on the size.
    size = min(evaluation.samples, len(train) // 2)
    order = shuffled(len(train), evaluation.seed, "evaluation", "floor")
    halves = (order[:size], order[size : 2 * size])
    rebuilt = extractor.judge(
        reconstruction.reconstruct(evaluation.networks.autoencoder, test, manifest.codes, evaluation.device)
    )
    first, second = (reference.distance(extractor.judge(train.images[half]).features) for half in halves)
    return DistanceFacts(
        name=f"FD ({extractor.name})",
        reference=f"real test {words_for(manifest.media.shape).many}",
        reference_images=len(test),
        floor=(first, second),
        floor_images=size,
        reconstructions=reference.distance(rebuilt.features),
        reconstructions_recognised=proportion(int((rebuilt.predictions == test.labels).sum()), len(test)),
    )
