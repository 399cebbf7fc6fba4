"""What the reports of all baselines say of their data."""

from __future__ import annotations

from training.data.dataset import Dataset, Split
from training.evaluation.known import identify
from training.evaluation.report import DataFacts


def data_facts(dataset: Dataset, test: Split) -> DataFacts:
    """The data that a baseline was trained on, and the part of its test set that was measured."""
    known = identify(dataset.fingerprint)
    return DataFacts(
        name=known.name,
        licence=known.licence,
        fingerprint=dataset.fingerprint,
        shape=tuple(test.images.shape[1:]),
        train_images=len(dataset.train),
        test_images=len(test),
        trained_on=True,
    )
