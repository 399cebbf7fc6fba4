"""Distances to real pictures by time, of several models on the same data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from models.bundle.reader import AnyManifest
from models.config import Frozen
from models.errors import AnytimeError
from models.runtime import load_model
from models.runtime.protocol import AnytimeModel, SampleRequest
from training.data.dataset import Dataset
from training.evaluation.classifier import Extractor
from training.evaluation.cut_short import pictures_at
from training.evaluation.frechet import FrechetReference, distances
from training.evaluation.intervals import Estimate
from training.seeds import derive_seed

SLOTS = 50  # that samples are drawn in
SHARES = (0.125, 0.25, 0.5)  # of a stage, after which pictures are looked at, besides its end


class Point(Frozen):
    """A model after so many codes.

    Attributes:
        ms: until the picture is decoded, of one sample by itself; the median.
        quickest, slowest: of them.
        distance: of as many samples to real test images.
        recognised: share that is taken for the class it was drawn for; None where there is but one.
    """

    codes: int
    ms: float
    quickest: float
    slowest: float
    distance: Estimate
    recognised: float | None


class Compared(Frozen):
    """One model, and what it makes of any time."""

    model: str
    kind: str
    executor: str
    points: tuple[Point, ...]

    def within(self, ms: float) -> Point | None:
        """The picture that it has to show after so long; None if none is ready."""
        ready = [point for point in self.points if point.ms <= ms]
        return max(ready, key=lambda point: point.codes) if ready else None


def looked_at(model: AnytimeModel) -> list[int]:
    """After how many codes: none, shares of each stage, and of the first stage powers of two as well."""
    ends = [*model.stages[1:], model.total_codes]
    found = {0, *ends, *(1 << power for power in range(ends[0].bit_length()))}
    for start, end in zip(model.stages, ends, strict=True):
        found |= {start + max(1, round(share * (end - start))) for share in SHARES}
    return sorted(found)


def compare(
    bundles: Sequence[Path],
    dataset: Dataset,
    extractor: Extractor,
    samples: Sequence[int],
    seed: int,
    timed: int,
    say: Callable[[str], None],
) -> list[Compared]:
    """Each model's pictures after so many codes: when they are there, and how far from real ones.

    Models are timed in turn, a sample of each, so that what disturbs the machine disturbs all alike. Of larger pictures
    the middle is looked at, as large as those of the data.

    Args:
        bundles: folders, which were checked; see `check_comparable`.
        extractor: which has learnt from pictures of the size that the data has here.
        samples: the label of each that is judged.
        timed: how many samples of each are timed.
        say: is told what comes next.

    Raises:
        BundleError: a bundle cannot be used.
    """
    say("timing")
    alone = [load_model(path, slots=1, threads=1) for path in bundles]
    times: list[list[list[float]]] = [[] for _ in alone]
    for turn in range(timed + 1):
        for (manifest, model), kept in zip(alone, times, strict=True):
            kept.append(_times(model, _request(manifest, seed, turn, turn % len(manifest.labels))))
    reference = FrechetReference(extractor.judge(dataset.test.images).features)
    found = []
    for path, of_model in zip(bundles, times, strict=True):
        manifest, model = load_model(path, slots=SLOTS, threads=None)
        say(f"{manifest.reference}: {len(samples)} samples")
        shown = pictures_at(
            model, [_request(manifest, seed, row, label) for row, label in enumerate(samples)], looked_at(model)
        )
        points = _points(shown, of_model[1:], extractor, reference, samples, dataset, seed)  # the first was a warm-up
        found.append(Compared(model=manifest.reference, kind=manifest.kind, executor=_executor(model), points=points))
    return found


def check_comparable(manifest: AnyManifest, dataset: Dataset) -> None:
    """Raises AnytimeError unless a model draws pictures like these, or larger ones, of the same labels."""
    own, real = manifest.media.shape, tuple(dataset.test.images.shape[1:])
    images = manifest.media.type == "image" and len(real) == len(own)
    if not images or own[0] != real[0] or own[1] < real[1] or own[2] < real[2]:
        raise AnytimeError(
            f"{manifest.reference}: makes {manifest.media.type} of {list(own)}, compared on images of {list(real)}"
        )
    if manifest.labels != dataset.labels:
        raise AnytimeError(
            f"{manifest.reference}: has the labels {', '.join(manifest.labels)}; what it is compared on, "
            f"{', '.join(dataset.labels)}"
        )


def _request(manifest: AnyManifest, seed: int, sample: int, label: int) -> SampleRequest:
    return SampleRequest(seed, sample, label, **manifest.sampling.model_dump())


def _times(model: AnytimeModel, request: SampleRequest) -> list[float]:
    """Milliseconds from the beginning until the picture after each number of codes is decoded, were it the only one."""
    spent, found = 0.0, []
    start = perf_counter()
    model.begin(0, request)
    for count in looked_at(model):
        if more := count - model.position(0):
            model.step([0], more)
        drawn = perf_counter()
        spent += drawn - start
        model.decode([0])
        start = perf_counter()
        found.append(1000 * (spent + start - drawn))
    model.release(0)
    return found


def _points(
    shown: dict[int, Tensor],
    times: list[list[float]],
    extractor: Extractor,
    reference: FrechetReference,
    labels: Sequence[int],
    dataset: Dataset,
    seed: int,
) -> tuple[Point, ...]:
    height, width = dataset.test.images.shape[2:]
    judged = [extractor.judge(_middle(images, height, width)) for images in shown.values()]
    far, _ = distances(reference, [each.features for each in judged], derive_seed(seed, "compare", "bootstrap"))
    wanted, points = torch.tensor(labels), []
    for count, of_count, distance, each in zip(shown, zip(*times, strict=True), far, judged, strict=True):
        share = (each.predictions == wanted).double().mean().item() if extractor.task == "labels" else None
        points.append(
            Point(
                codes=count,
                ms=median(of_count),
                quickest=min(of_count),
                slowest=max(of_count),
                distance=distance,
                recognised=share,
            )
        )
    return tuple(points)


def _middle(images: Tensor, height: int, width: int) -> Tensor:
    top, left = (images.shape[2] - height) // 2, (images.shape[3] - width) // 2
    return images[:, :, top : top + height, left : left + width].contiguous()


def _executor(model: Any) -> str:
    named = model.executor
    return named if isinstance(named, str) else str(named.name)
