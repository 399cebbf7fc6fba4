"""The stage that measures a hierarchical model."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from models.config import SamplingDefaults
from models.hierarchical.hierarchy import Hierarchy
from models.hierarchical.sampling import sample_symbols
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
from training.hierarchical.context import HierarchicalContext
from training.hierarchical.drawing import draw_below
from training.hierarchical.ladder import Ladder, measure, rungs
from training.hierarchical.likelihood import codebooks, encode_all, likelihood
from training.hierarchical.neighbours import nearest, neighbour_facts
from training.hierarchical.report import (
    HierarchicalReconstructionFacts,
    HierarchicalReport,
    HierarchicalSampleFacts,
    JudgedFacts,
    RealFacts,
)
from training.hierarchical.symbols import PictureSymbols, pictures
from training.progress import StageProgress
from training.seeds import derive_seed, shuffled

STAGE = "evaluate"
STEPS = 6  # beside the classifier's epochs
DRAWINGS = 3  # of each image in the sheet of reconstructions
SHOWN = 8  # images in it


def run(context: HierarchicalContext) -> None:
    """Write the report and the pictures into the run's `evaluation` folder; the report last."""
    recipe = context.recipe
    with context.progress.stage(STAGE, STEPS + recipe.evaluate.classifier_epochs) as progress:
        report = _Evaluation(context, progress).measure()
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


@dataclass(frozen=True, slots=True)
class _Samples:
    """Conditional samples, (N, C, H, W) uint8: with all symbols drawn, and by auxiliary decoders; labels (N,) int64.

    Attributes:
        grids: the symbols that were drawn, pixels first.
    """

    grids: list[Tensor]
    drawn: Tensor
    auxiliary: Tensor
    labels: Tensor


class _Evaluation:
    def __init__(self, context: HierarchicalContext, progress: StageProgress) -> None:
        self.context = context
        self.progress = progress
        self.recipe = context.recipe.evaluate
        self.seed = context.recipe.seed
        self.hierarchy: Hierarchy = context.hierarchy()
        self.pixels = context.recipe.hierarchy.pixels
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
        symbols = PictureSymbols(self.test, self.pixels)
        grids = encode_all(self.hierarchy, symbols, context.device)
        found = likelihood(self.hierarchy, grids, self.test.labels, context.device)
        self._done("drawing samples")
        samples = self._draw()
        self._done("drawing reconstructions")
        rebuilt = self._reconstructions(extractor, reference, grids[-1])
        self._done("neighbours")
        self._show_neighbours(extractor, samples)
        near = neighbour_facts(samples.drawn, self.test.images, context.dataset.train.images)
        self._done("judging samples")
        sampled = self._samples(extractor, reference, samples)
        self._done("judging what is cut short")
        ladder = Ladder(self.hierarchy, samples.grids, samples.labels, self.seed)
        facts = measure(ladder, rungs(self.hierarchy.config), extractor, context.dataset.validation, self.seed)
        sheets.write_samples(self.directory, samples.drawn, samples.auxiliary, samples.labels, self.names)
        return HierarchicalReport(
            model=context.recipe.name,
            seed=self.seed,
            data=self._data_facts(),
            extractor=self._extractor_facts(extractor, real),
            codebooks=codebooks(self.hierarchy, grids),
            likelihood=found,
            real=self._real_facts(extractor, reference, len(samples.labels)),
            samples=sampled,
            reconstructions=rebuilt,
            neighbours=near,
            ladder=facts,
            claims=claims_of(sampled, facts, len(self.names)),
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

    def _draw(self) -> _Samples:
        count = max(2, self.recipe.samples_per_class * len(self.names))
        labels = labels_like(self.test.labels, len(self.names), count)
        drawn = sample_symbols(self.hierarchy, labels.tolist(), self.seed, self.context.recipe.sampling)
        return _Samples(drawn, pictures(drawn[0], self.pixels), self._guess(drawn[-1]), labels)

    @torch.inference_mode()
    def _guess(self, codes: Tensor) -> Tensor:
        """What the auxiliary decoders make of topmost codes, uint8."""
        parts = [self.hierarchy.guess(part.to(self.context.device)) for part in torch.split(codes, 64)]
        return pictures(torch.cat(parts), self.pixels)

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

    def _samples(self, extractor: Extractor, reference: FrechetReference, samples: _Samples) -> HierarchicalSampleFacts:
        auxiliary, drawn, drop = self._judged(extractor, reference, (samples.auxiliary, samples.drawn), samples.labels)
        sampling = self.context.recipe.sampling
        return HierarchicalSampleFacts(
            seed=self.seed, sampling=sampling, drawn=drawn, auxiliary=auxiliary, distance_drop=drop
        )

    def _reconstructions(
        self, extractor: Extractor, reference: FrechetReference, codes: Tensor
    ) -> HierarchicalReconstructionFacts:
        count = min(self.recipe.reconstructions, len(codes))
        codes, part = codes[:count], self.test.take(slice(count))
        sampling = SamplingDefaults(temperature=self.recipe.temperature)
        on_device = codes.to(self.context.device)
        drawn, again = (
            pictures(draw_below(self.hierarchy, on_device, self.seed, sampling, offset)[0], self.pixels)
            for offset in (0, count)
        )
        auxiliary = self._guess(codes)
        more = [
            pictures(draw_below(self.hierarchy, on_device[:SHOWN], self.seed, sampling, offset * count)[0], self.pixels)
            for offset in range(2, DRAWINGS)
        ]
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

    def _show_neighbours(self, extractor: Extractor, samples: _Samples) -> None:
        train = self.context.dataset.train.images
        first = [int((samples.labels == label).nonzero()[0]) for label in range(len(self.names[:MOST_LABELS]))]
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
