"""The evaluation itself: from a model and data to a report, plots and pictures."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from models.bundle.networks import Networks
from training.data.dataset import Dataset, Split
from training.evaluation import claims, eight_bit, kinds, pca, reconstruction, samples
from training.evaluation.classifier import ClassifierConfig, Judge, Judgement, JudgeSource
from training.evaluation.decoding import laid_out
from training.evaluation.features.imagenet import load_imagenet
from training.evaluation.features.inception import PUBLISHED, load_inception
from training.evaluation.features.network import FeatureJudge, FeatureNetwork, check_pictures
from training.evaluation.frechet import FrechetReference, distances
from training.evaluation.intervals import Proportion, means, proportion
from training.evaluation.known import identify
from training.evaluation.progress import Progress
from training.evaluation.real import RealSamples, Wanted, measure_real
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
from training.evaluation.turns import in_turn
from training.evaluation.versions import versions
from training.evaluation.words import words_for
from training.files import write_atomically
from training.recipe import EvaluateRecipe
from training.seeds import derive_seed

CLASSIFIER = "classifier.safetensors"
MEASUREMENTS = 6  # steps beside the classifier's epochs


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One evaluation: what is judged, on what, how much of it and where results go.

    Attributes:
        samples: how many are drawn; at least two, and one for each label.
        trained_on: whether the model was trained on this data, where that is known.
        judge: the classifier that judges the samples, where several models must have the same; None is one of its own.
        inception: file with the weights that published distances are made with, which are then taken; else what the
            recipe says.
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
    inception: Path | None = None

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
    progress.describe("drawing samples")
    labels = samples.labels_like(evaluation.test.labels, len(networks.manifest.labels), evaluation.samples)
    drawn = samples.draw(networks, labels, evaluation.seed)
    progress.advance()
    # What follows decodes with PyTorch, but for the check of eight bits: executors are made of networks as they are.
    quick = networks._replace(autoencoder=laid_out(networks.autoencoder, evaluation.device))
    evaluation = replace(evaluation, networks=quick)
    progress.describe("real samples")
    real = measure_real(_wanted(evaluation), kind, extractor, evaluation.classifier)
    progress.describe("reconstructions")
    reconstructed = _reconstruction(evaluation, kind, real)
    progress.advance()
    progress.describe("judging samples")
    reference = FrechetReference(real.features)
    sampled = _samples(evaluation, extractor, reference, drawn)
    distance = _distance(evaluation, extractor, reference, real)
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
        extractor=_extractor_facts(evaluation, extractor, real.judged),
        reconstruction=reconstructed,
        quality_curve=networks.manifest.quality_curve,
        distance=distance,
        samples=sampled,
        eight_bit=cost,
        claims=claims.check(reconstructed, sampled),
        versions=versions(),
    )
    progress.describe("pictures")
    kind.show(evaluation.directory, quick, drawn, evaluation.test, evaluation.fractions, evaluation.device)
    progress.advance()
    progress.describe("plots")
    kind.plot(evaluation.directory, report)
    write_atomically(evaluation.directory / REPORT, report.to_json())
    progress.advance()
    return report


def _extractor(evaluation: Evaluation, kind: kinds.Kind, progress: Progress) -> Judge:
    source, features = evaluation.classifier, _features(evaluation)

    def show(line: str) -> None:
        progress.describe(line)
        progress.advance()

    progress.describe("classifier")
    classes = len(evaluation.networks.manifest.labels)
    if features and classes == 1:
        for _ in range(source.config.epochs):
            show(f"{features.name}: comes trained")
        return FeatureJudge(features, None)
    judge = kind.judge(source.cache, source.config, source.train, classes, evaluation.device, show)
    return FeatureJudge(features, judge) if features else judge


def _features(evaluation: Evaluation) -> FeatureNetwork | None:
    """What compares pictures, if it is not the judge itself.

    Raises:
        AnytimeError: samples are not pictures that the network could look at, or it cannot be had.
    """
    if evaluation.inception is None and evaluation.recipe.features == "classifier":
        return None
    check_pictures(evaluation.networks.manifest.media.shape)
    if evaluation.inception is not None:
        return load_inception(evaluation.inception, evaluation.device)
    return load_imagenet(evaluation.device)


def _wanted(evaluation: Evaluation) -> Wanted:
    train = evaluation.dataset.train
    # Sets as large as the samples', since FD depends on the size.
    size = min(evaluation.samples, len(train) // 2)
    return Wanted(train, evaluation.test, evaluation.networks.manifest.codes, size, evaluation.seed)


def _extractor_facts(evaluation: Evaluation, extractor: Judge, judged: Judgement) -> ExtractorFacts:
    examined = in_turn(evaluation.test) if extractor.task == "turns" else evaluation.test
    if extractor.task == "turns":
        judged = extractor.judge(examined.images)
    helper = extractor.classifier if isinstance(extractor, FeatureJudge) else None
    hits = int((judged.predictions == examined.labels).sum())
    return ExtractorFacts(
        name=extractor.name,
        task=extractor.task,
        features=judged.features.shape[1],
        epochs=extractor.epochs,
        seed=evaluation.classifier.config.seed,
        classifier=helper.name if helper else None,
        test_accuracy=None if extractor.task == "nothing" else proportion(hits, len(judged.predictions)),
    )


def _recognised(extractor: Judge, predictions: Tensor, labels: Tensor) -> Proportion | None:
    """The share of samples taken for their label (N,); None where there is but one, which would be all of them."""
    return proportion(int((predictions == labels).sum()), len(labels)) if extractor.task == "labels" else None


def _reconstruction(evaluation: Evaluation, kind: kinds.Kind, real: RealSamples) -> ReconstructionFacts:
    train, test = evaluation.dataset.train, evaluation.test
    constant = pca.mean_image(train.images)
    errors = reconstruction.errors_by_length(evaluation.networks.autoencoder, test, constant, evaluation.device)
    pixels = test.images[0].numel()
    model = reconstruction.curve(errors, pixels)
    facts = ReconstructionFacts(
        images=len(test),
        model=model,
        pca=reconstruction.curve(real.pca, pixels),
        pca_clamped=reconstruction.curve(real.pca_clamped, pixels),
        below_pca=means((real.pca_clamped - errors)[:, 1:]),
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
        by_label: dict[str, Proportion] = {}
        for label, name in enumerate(networks.manifest.labels):
            of_label = drawn.labels == label
            share = _recognised(extractor, part.predictions[of_label], drawn.labels[of_label])
            by_label |= {name: share} if share else {}
        fractions.append(
            FractionFacts(
                fraction=fraction,
                codes=length,
                distance=distance,
                recognition=_recognised(extractor, part.predictions, drawn.labels),
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


def _distance(
    evaluation: Evaluation, extractor: Judge, reference: FrechetReference, real: RealSamples
) -> DistanceFacts:
    test, manifest = evaluation.test, evaluation.networks.manifest
    rebuilt = extractor.judge(
        reconstruction.reconstruct(evaluation.networks.autoencoder, test, manifest.codes, evaluation.device)
    )
    first, second = real.floor.tolist()
    return DistanceFacts(
        name="FID" if extractor.name == PUBLISHED else f"FD ({extractor.name})",
        reference=f"real test {words_for(manifest.media.shape).many}",
        reference_images=len(test),
        floor=(first, second),
        floor_images=_wanted(evaluation).size,
        reconstructions=reference.distance(rebuilt.features),
        reconstructions_recognised=_recognised(extractor, rebuilt.predictions, test.labels),
    )
