"""What an evaluation measures of real samples alone: the same for all runs of a study on the same split of its data."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from training.checkpoint import load_checkpoint, save_checkpoint
from training.data.dataset import Split, fingerprint
from training.evaluation.classifier import Judge, Judgement, JudgeSource
from training.evaluation.frechet import FrechetReference
from training.evaluation.kinds import Kind
from training.files import CheckpointError
from training.seeds import shuffled

REVISION = 1  # raised whenever a change to what is measured here changes the numbers


class RealSamples(NamedTuple):
    """The model's part is missing from all of it.

    Attributes:
        features: (N, F) float64 of the test samples.
        predictions: (N,) int64 of them.
        pca, pca_clamped: (N, K + 1) float64, their squared errors from n components, as they are and clipped.
        floor: (2,) float64, distances of two disjoint random sets of training samples to the test samples.
    """

    features: Tensor
    predictions: Tensor
    pca: Tensor
    pca_clamped: Tensor
    floor: Tensor

    @property
    def judged(self) -> Judgement:
        """What the judge makes of the test samples."""
        return Judgement(self.features, self.predictions)


class Wanted(NamedTuple):
    """What it is measured on, and how much of it.

    Attributes:
        components: K, of the PCA.
        size: samples in each of the floor's sets.
        seed: which these are.
    """

    train: Split
    test: Split
    components: int
    size: int
    seed: int


def measure_real(wanted: Wanted, kind: Kind, judge: Judge, source: JudgeSource) -> RealSamples:
    """Measure it, or read what another run has measured; `source` says where that is kept, and what the judge is."""
    path = source.real / f"{_key(wanted, judge, source)}.safetensors" if source.real else None
    found = _kept(path) if path else None
    if found is None:
        found = _measured(wanted, kind, judge)
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
            save_checkpoint(path, found._asdict(), {})
    return found


def _measured(wanted: Wanted, kind: Kind, judge: Judge) -> RealSamples:
    train, test = wanted.train, wanted.test
    judged = judge.judge(test.images)
    components = kind.components(train.images, wanted.components)
    order = shuffled(len(train), wanted.seed, "evaluation", "floor")
    halves = (order[: wanted.size], order[wanted.size : 2 * wanted.size])
    reference = FrechetReference(judged.features)
    floor = [reference.distance(judge.judge(train.images[half]).features) for half in halves]
    return RealSamples(
        features=judged.features,
        predictions=judged.predictions,
        pca=components.errors(test.images, clamp=False),
        pca_clamped=components.errors(test.images, clamp=True),
        floor=torch.tensor(floor, dtype=torch.float64),
    )


def _key(wanted: Wanted, judge: Judge, source: JudgeSource) -> str:
    splits = (fingerprint(split) for split in (wanted.train, wanted.test, source.train))
    numbers = (wanted.components, wanted.size, wanted.seed)
    parts = (REVISION, torch.__version__, judge.name, *numbers, *splits)
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()


def _kept(path: Path) -> RealSamples | None:
    try:
        return RealSamples(**load_checkpoint(path).tensors)
    except (CheckpointError, TypeError):
        # Missing or damaged: it is measured again.
        return None
