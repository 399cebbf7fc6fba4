from __future__ import annotations

from pathlib import Path

import pytest
import torch
from toy_data import toy_split

from training.checkpoint import load_tensors
from training.evaluation.classifier import ClassifierConfig, Extractor, train_or_load

CPU = torch.device("cpu")
CONFIG = ClassifierConfig(epochs=8, seed=1, batch=32, widths=(4, 8), features=16)
TRAIN, TEST = toy_split(300), toy_split(90, seed=1)


def trained(cache: Path, config: ClassifierConfig = CONFIG) -> tuple[Extractor, list[str]]:
    lines: list[str] = []
    return train_or_load(cache, config, TRAIN, 3, CPU, lines.append), lines


def test_learns_classes_that_can_be_told_apart(tmp_path: Path) -> None:
    judgement = trained(tmp_path / "classifier.safetensors")[0].judge(TEST.images)
    assert (judgement.predictions == TEST.labels).float().mean() > 0.9
    assert judgement.features.shape == (90, 16)
    assert judgement.features.dtype == torch.float64


def test_trained_again_it_has_the_same_bits_whatever_was_drawn_before(tmp_path: Path) -> None:
    first, _ = trained(tmp_path / "a")
    torch.rand(17)
    second, _ = trained(tmp_path / "b")
    assert first.name == second.name
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert torch.equal(first.judge(TEST.images).features, second.judge(TEST.images).features)


def test_training_leaves_the_global_generator_alone(tmp_path: Path) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    trained(tmp_path / "classifier")
    assert torch.equal(torch.rand(3), expected)


def test_a_cached_classifier_is_not_trained_again_and_judges_the_same(tmp_path: Path) -> None:
    first, lines = trained(tmp_path / "classifier")
    again, cached = trained(tmp_path / "classifier")
    assert len(lines) == len(cached) == CONFIG.epochs
    assert all("loss" in line for line in lines)
    assert set(cached) == {"classifier: cached"}
    assert torch.equal(first.judge(TEST.images).features, again.judge(TEST.images).features)


@pytest.mark.parametrize("change", [{"seed": 2}, {"epochs": 2}, {"dropout": 0.1}])
def test_another_configuration_is_another_classifier(tmp_path: Path, change: dict[str, float]) -> None:
    first, _ = trained(tmp_path / "classifier")
    other, lines = trained(tmp_path / "classifier", CONFIG.model_copy(update=change))
    assert other.name != first.name
    assert "loss" in lines[0]


def test_a_damaged_cache_is_replaced(tmp_path: Path) -> None:
    cache = tmp_path / "classifier"
    trained(cache)
    whole = cache.read_bytes()
    cache.write_bytes(whole[:100])
    assert "loss" in trained(cache)[1][0]
    assert cache.read_bytes() == whole
    assert load_tensors(cache)


def test_judging_does_not_depend_on_the_batch(tmp_path: Path) -> None:
    extractor, _ = trained(tmp_path / "classifier")
    together, alone = extractor.judge(TEST.images), extractor.judge(TEST.images[:1])
    assert alone.features[0].tolist() == pytest.approx(together.features[0].tolist(), abs=1e-5)
