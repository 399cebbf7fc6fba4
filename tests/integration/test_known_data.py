from __future__ import annotations

from pathlib import Path

from training.data.dataset import fingerprint
from training.data.request import Request
from training.data.sources import open_source
from training.evaluation.known import UNKNOWN, identify
from training.recipe import load_recipe


def test_fashion_mnist_is_known_by_its_content(fashion_mnist: Path) -> None:
    recipe = load_recipe("fashion-mnist")
    parts = open_source(str(fashion_mnist)).load(Request(recipe.media, recipe.data))
    train, test = parts.train, parts.test
    assert identify(fingerprint(train, test)).name == "Fashion-MNIST"
    assert identify(fingerprint(train.take(slice(100)), test)) == UNKNOWN
