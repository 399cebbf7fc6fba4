from __future__ import annotations

from pathlib import Path

from training.data.dataset import fingerprint
from training.data.sources import open_source
from training.evaluation.known import UNKNOWN, identify


def test_fashion_mnist_is_known_by_its_content(fashion_mnist: Path) -> None:
    train, test = open_source(str(fashion_mnist)).load()
    assert identify(fingerprint(train, test)).name == "Fashion-MNIST"
    assert identify(fingerprint(train.take(slice(100)), test)) == UNKNOWN
