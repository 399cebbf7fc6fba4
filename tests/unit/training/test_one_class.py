"""Data without classes: what the judge learns instead, and what is not said of it."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import torch
from factories import tiny_manifest, tiny_networks
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from rich.console import Console
from toy_data import toy_split

from training.data.dataset import Dataset, Split
from training.evaluation import console, pictures
from training.evaluation.classifier import ClassifierConfig, train_or_load
from training.evaluation.frechet import FrechetReference
from training.evaluation.measure import Evaluation, evaluate
from training.evaluation.report import Report
from training.evaluation.turns import at_random, in_turn, turned, turns_of
from training.recipe import EvaluateRecipe

CPU = torch.device("cpu")
CONFIG = ClassifierConfig(epochs=40, seed=1, batch=32, widths=(4, 8), features=16)


def one_class(count: int, seed: int = 0, classes: int = 2) -> Split:
    """The toy pictures as if nobody knew what they show; the brighter side says which way up they are."""
    split = toy_split(count, seed, classes)
    return Split(split.images, torch.zeros_like(split.labels))


@given(height=st.integers(1, 5), width=st.integers(1, 5), label=st.integers(0, 3))
def test_a_picture_turned_on_is_where_it_began(height: int, width: int, label: int) -> None:
    images = torch.rand(2, 1, height, width)
    count = turns_of((1, height, width))
    label %= count
    once = turned(images, torch.tensor([label, 0]))
    assert torch.equal(once[1], images[1])
    back = turned(once, torch.tensor([(count - label) % count, 0]))
    assert torch.equal(back, images)


def test_turns_are_quarters_of_squares_and_halves_of_others() -> None:
    square, wide = torch.arange(4.0).view(1, 1, 2, 2), torch.arange(6.0).view(1, 1, 2, 3)
    assert turned(square, torch.tensor([1])).tolist() == [[[[1, 3], [0, 2]]]]
    assert turned(wide, torch.tensor([1])).tolist() == [[[[5, 4, 3], [2, 1, 0]]]]
    split = in_turn(Split(torch.zeros(6, 1, 4, 4, dtype=torch.uint8), torch.zeros(6, dtype=torch.int64)))
    assert split.labels.tolist() == [0, 1, 2, 3, 0, 1]
    assert set(at_random(100, (1, 4, 6), 3).tolist()) == {0, 1}
    assert torch.equal(at_random(9, (1, 4, 4), 3), at_random(9, (1, 4, 4), 3))


def test_it_learns_which_way_up_they_are_and_tells_real_from_blurred_and_noise(tmp_path: Path) -> None:
    train, test = one_class(400, classes=4), one_class(200, seed=1, classes=4)
    train, test = (Split(split.images[::4], split.labels[::4]) for split in (train, test))  # lit at the top
    judge = train_or_load(tmp_path / "c", CONFIG, train, 1, CPU, lambda _: None)
    assert judge.task == "turns"
    assert judge.name.startswith("local-cnn-turns-16-")
    examined = in_turn(test)
    assert (judge.judge(examined.images).predictions == examined.labels).float().mean() > 0.9
    blurred = torch.nn.functional.avg_pool2d(test.images.float(), 3, 1, 1).to(torch.uint8)
    noise = torch.randint(0, 256, test.images.shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(2))
    reference = FrechetReference(judge.judge(train.images).features)
    near, far, farthest = (reference.distance(judge.judge(images).features) for images in (test.images, blurred, noise))
    assert near < far < farthest


def test_two_classes_are_told_apart_as_before(tmp_path: Path) -> None:
    judge = train_or_load(tmp_path / "c", CONFIG, toy_split(90, classes=2), 2, CPU, lambda _: None)
    assert judge.task == "labels"
    assert judge.name.startswith("local-cnn-16-")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, Path]:
    folder = tmp_path_factory.mktemp("report")
    (folder / "recognition.png").write_bytes(b"of an earlier version")
    manifest = tiny_manifest().model_copy(update={"labels": ("all",)})
    train, test = one_class(120), one_class(40, seed=1)
    dataset = Dataset(train, train.take(torch.arange(0)), test, "fingerprint", ("all",))
    evaluation = Evaluation(
        networks=tiny_networks(manifest),
        dataset=dataset,
        recipe=EvaluateRecipe(classifier_epochs=1),
        samples=30,
        seed=0,
        directory=folder,
        device=CPU,
        trained_on=None,
    )
    with console.progress_bar(Console(file=io.StringIO()), evaluation.steps) as progress:
        return evaluate(evaluation, progress), folder


def test_nothing_is_said_of_recognition(report: tuple[Report, Path]) -> None:
    found, folder = report
    assert found.extractor.task == "turns"
    assert found.extractor.name in found.distance.name
    assert found.distance.reconstructions_recognised is None
    assert all(facts.recognition is None for facts in found.samples.fractions)
    assert all(facts.recognition_by_label == {} for facts in found.samples.fractions)
    assert "recognised" not in {claim.name for claim in found.claims}
    assert not (folder / "recognition.png").exists()
    assert (folder / "distance.png").exists()
    assert Report.model_validate_json((folder / "report.json").read_bytes()) == found


def test_and_that_is_said(report: tuple[Report, Path]) -> None:
    out = io.StringIO()
    console.show(Console(file=out, width=200), report[0])
    assert "n/a" in out.getvalue()
    assert "tells which way up images are for" in out.getvalue()
    assert "a single class: nothing is recognised, and the claim about that is left out" in out.getvalue()


def test_sheets_have_several_samples_side_by_side(report: tuple[Report, Path]) -> None:
    def size(name: str) -> tuple[int, int]:
        with Image.open(report[1] / name) as picture:
            return picture.size

    wide, tall = size(pictures.SAMPLES)
    assert wide > 10 * tall > 0
    tile = (wide - 2 * pictures.MARGIN) // pictures.COLUMNS
    for name in (pictures.BY_FRACTION, pictures.RECONSTRUCTIONS):
        assert size(name)[0] > pictures.COLUMNS * tile
        assert size(name)[1] > len(report[0].samples.fractions) * tile
