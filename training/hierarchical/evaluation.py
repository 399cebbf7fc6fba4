"""What is measured of a model whose pixels are drawn one by one, whatever stands above them."""

from __future__ import annotations

from typing import TypeAlias

from torch import Tensor

from training.context import Run
from training.data.dataset import Split
from training.evaluation.classifier import ClassifierConfig, Extractor, Judgement, JudgeSource, train_or_load
from training.evaluation.frechet import FrechetReference, distances
from training.evaluation.intervals import Estimate, Proportion, mean_estimate, proportion
from training.evaluation.known import identify
from training.evaluation.measure import CLASSIFIER
from training.evaluation.pictures import MOST_LABELS
from training.evaluation.report import REPORT, DataFacts, ExtractorFacts
from training.evaluation.samples import labels_like
from training.evaluation.turns import in_turn
from training.evaluation.versions import versions
from training.files import write_atomically
from training.hierarchical import sheets
from training.hierarchical.claims import claims_of
from training.hierarchical.ladder import measure
from training.hierarchical.neighbours import nearest, neighbour_facts
from training.hierarchical.recipe import HierarchicalRecipe
from training.hierarchical.report import (
    HierarchicalReconstructionFacts,
    HierarchicalReport,
    HierarchicalSampleFacts,
    JudgedFacts,
    RealFacts,
)
from training.hierarchical.subject import Drawn, Subject
from training.progress import StageProgress
from training.refined.recipe import RefinedRecipe
from training.seeds import derive_seed, shuffled

STAGE = "evaluate"
STEPS = 6  # beside the classifier's epochs
DRAWINGS = 3  # of each image in the sheet of reconstructions
SHOWN = 8  # images in it


AnyRun: TypeAlias = Run[HierarchicalRecipe | RefinedRecipe]


def evaluate(context: AnyRun, subject: Subject) -> None:
    """Write the report and the pictures into the run's `evaluation` folder; the report last."""
    recipe = context.recipe
    with context.progress.stage(STAGE, STEPS + recipe.evaluate.classifier_epochs) as progress:
        report = _Evaluation(context, subject, progress).measure()
        write_atomically(context.evaluation_directory / REPORT, report.to_json())
        joint = report.likelihood.joint
        progress.say(f"{joint.value:.3f} joint bits per dimension ({joint.low:.3f} to {joint.high:.3f})")
        recognised = report.samples.drawn.recognition
        if recognised is not None:
            progress.say(
                f"{recognised.value:.1%} of samples recognised ({recognised.low:.1%} to {recognised.high:.1%}), "
                f"{report.real.name} {report.samples.drawn.distance.value:.2f}"
            )
        for claim in report.claims:
            progress.say(f"{'holds' if claim.holds else 'does NOT hold'}: {claim.statement}")


class _Evaluation:
    def __init__(self, context: AnyRun, subject: Subject, progress: StageProgress) -> None:
        self.context = context
        self.subject = subject
        self.progress = progress
        self.recipe = context.recipe.evaluate
        self.seed = context.recipe.seed
        self.test: Split = context.dataset.test.take(slice(self.recipe.images))
        self.directory = context.evaluation_directory
        self.names = context.recipe.labels

    def measure(self) -> HierarchicalReport:
        context = self.context
        source = self._judge_source()
        extractor = self._extractor(source)
        real = extractor.judge(self.test.images)
        reference = FrechetReference(real.features)
        self._done("bits per dimension")
        found = self.subject.likelihood(self.test)
        self._done("drawing samples")
        labels = self._labels()
        samples = self.subject.draw(labels)
        self._done("drawing reconstructions")
        rebuilt = self._reconstructions(extractor, reference)
        self._done("neighbours")
        self._show_neighbours(extractor, samples, labels)
        near = neighbour_facts(samples.drawn, self.test.images, context.dataset.train.images)
        self._done("judging samples")
        sampled = self._samples(extractor, reference, samples, labels)
        self._done("judging what is cut short")
        rungs, filling = self.subject.rungs, self.subject.filling
        real_images = context.dataset.validation
        facts = measure(samples.pictures_after, rungs, extractor, real_images, self.seed, filling)
        sheets.write_samples(self.directory, samples.drawn, samples.auxiliary, labels, self.names)
        return HierarchicalReport(
            kind=context.recipe.kind,
            model=context.recipe.name,
            seed=self.seed,
            data=self._data_facts(),
            extractor=self._extractor_facts(extractor, real),
            codebooks=self.subject.codebooks(self.test),
            likelihood=found,
            real=self._real_facts(extractor, reference, len(labels)),
            samples=sampled,
            reconstructions=rebuilt,
            neighbours=near,
            ladder=facts,
            claims=claims_of(self.subject.drawing_helps, sampled, facts, len(self.names)),
            versions=versions(),
        )

    def _done(self, following: str) -> None:
        self.progress.advance()
        self.progress.describe(following)

    def _judge_source(self) -> JudgeSource:
        config = ClassifierConfig(epochs=self.recipe.classifier_epochs, seed=self.seed)
        return self.context.judge or JudgeSource(config, self.context.dataset.train, self.directory / CLASSIFIER)

    def _extractor(self, source: JudgeSource) -> Extractor:
        def show(line: str) -> None:
            self.progress.describe(line)
            self.progress.advance()

        return train_or_load(source.cache, source.config, source.train, len(self.names), self.context.device, show)

    def _labels(self) -> Tensor:
        """Of the samples, (N,) int64."""
        count = max(2, self.recipe.samples_per_class * len(self.names))
        return labels_like(self.test.labels, len(self.names), count)

    def _judged(
        self, extractor: Extractor, reference: FrechetReference, sets: tuple[Tensor, Tensor], labels: Tensor
    ) -> tuple[JudgedFacts, JudgedFacts, Estimate]:
        """What the extractor makes of two sets whose rows belong together, and by how much the second's FD is lower."""
        judged = [extractor.judge(images) for images in sets]
        bootstrap = derive_seed(self.seed, "evaluation", "bootstrap")
        found, drops = distances(reference, [part.features for part in judged], bootstrap)
        first, second = (
            JudgedFacts(
                count=len(labels),
                distance=distance,
                recognition=_recognised(extractor, part.predictions, labels),
                recognition_by_label=self._by_label(extractor, part.predictions, labels),
            )
            for part, distance in zip(judged, found, strict=True)
        )
        return first, second, drops[0]

    def _by_label(self, extractor: Extractor, predictions: Tensor, labels: Tensor) -> dict[str, Proportion]:
        shares: dict[str, Proportion] = {}
        for label, name in enumerate(self.names):
            of_label = labels == label
            share = _recognised(extractor, predictions[of_label], labels[of_label]) if of_label.any() else None
            shares |= {name: share} if share else {}
        return shares

    def _samples(
        self, extractor: Extractor, reference: FrechetReference, samples: Drawn, labels: Tensor
    ) -> HierarchicalSampleFacts:
        auxiliary, drawn, drop = self._judged(extractor, reference, (samples.auxiliary, samples.drawn), labels)
        sampling = self.context.recipe.sampling
        return HierarchicalSampleFacts(
            seed=self.seed, sampling=sampling, drawn=drawn, auxiliary=auxiliary, distance_drop=drop
        )

    def _reconstructions(self, extractor: Extractor, reference: FrechetReference) -> HierarchicalReconstructionFacts:
        count = min(self.recipe.reconstructions, len(self.test))
        part = self.test.take(slice(count))
        drawn, again = (self.subject.redraw(part, self.recipe.temperature, offset) for offset in (0, count))
        auxiliary = self.subject.rebuild(part)
        few = part.take(slice(SHOWN))
        more = [self.subject.redraw(few, self.recipe.temperature, offset * count) for offset in range(2, DRAWINGS)]
        shown = [images[:SHOWN] for images in (drawn, again, *more)]
        sheets.write_reconstructions(self.directory, part.images[:SHOWN], shown, auxiliary[:SHOWN])
        by_auxiliary, by_drawing, _ = self._judged(extractor, reference, (auxiliary, drawn), part.labels)
        return HierarchicalReconstructionFacts(
            temperature=self.recipe.temperature,
            drawn=by_drawing,
            auxiliary=by_auxiliary,
            drawn_error=_error(drawn, part.images),
            auxiliary_error=_error(auxiliary, part.images),
            variety=_error(drawn, again),
        )

    def _show_neighbours(self, extractor: Extractor, samples: Drawn, labels: Tensor) -> None:
        train = self.context.dataset.train.images
        first = [int((labels == label).nonzero()[0]) for label in range(len(self.names[:MOST_LABELS]))]
        shown, count = samples.drawn[first], min(sheets.NEIGHBOUR_COUNT, len(train))
        near = {
            "pixels": train[nearest(shown, train, count)[1]],
            "features": train[nearest(extractor.judge(shown).features, extractor.judge(train).features, count)[1]],
        }
        sheets.write_neighbours(self.directory, shown, near, self.names)

    def _data_facts(self) -> DataFacts:
        dataset = self.context.dataset
        known = identify(dataset.fingerprint)
        return DataFacts(
            name=known.name,
            licence=known.licence,
            fingerprint=dataset.fingerprint,
            shape=self.context.recipe.media.shape,
            train_images=len(dataset.train),
            test_images=len(self.test),
            trained_on=True,
        )

    def _extractor_facts(self, extractor: Extractor, real: Judgement) -> ExtractorFacts:
        test, judged = self.test, real
        if extractor.task == "turns":
            test = in_turn(test)
            judged = extractor.judge(test.images)
        hits = int((judged.predictions == test.labels).sum())
        return ExtractorFacts(
            name=extractor.name,
            task=extractor.task,
            features=judged.features.shape[1],
            epochs=extractor.epochs,
            seed=self.seed,
            test_accuracy=proportion(hits, len(test)),
        )

    def _real_facts(self, extractor: Extractor, reference: FrechetReference, count: int) -> RealFacts:
        train = self.context.dataset.train
        size = min(count, len(train) // 2)
        order = shuffled(len(train), self.seed, "evaluation", "floor")
        first, second = (
            reference.distance(extractor.judge(train.images[order[start : start + size]]).features)
            for start in (0, size)
        )
        return RealFacts(
            name=f"FD ({extractor.name})",
            reference_images=len(self.test),
            floor=(first, second),
            floor_images=size,
        )


def _recognised(extractor: Extractor, predictions: Tensor, labels: Tensor) -> Proportion | None:
    """The share of images taken for their label (N,); None where there is but one, which would be all of them."""
    return proportion(int((predictions == labels).sum()), len(labels)) if extractor.task == "labels" else None


def _error(images: Tensor, others: Tensor) -> Estimate:
    """Mean squared error of an image, of two sets (N, C, H, W) uint8."""
    return mean_estimate(((images.double() - others.double()) / 255).square().flatten(1).sum(1))
