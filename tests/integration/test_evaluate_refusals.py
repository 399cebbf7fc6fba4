"""What `anytime evaluate` will not measure, and what it says then."""

from __future__ import annotations

from pathlib import Path

import pytest
from evaluating import evaluate_command
from toy_data import toy_split, write_idx_folder

from models.errors import AnytimeError, BundleError, DataError
from training.data.dataset import Split


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_idx_folder(tmp_path_factory.mktemp("data") / "toy", toy_split(400), toy_split(90, seed=1))


@pytest.mark.parametrize(
    ("train", "test", "problem"),
    [
        (toy_split(60, size=12), toy_split(30, size=12), r"shape \[1, 12, 12\], but bundle tiny .* \[1, 8, 8\]"),
        (toy_split(60, classes=4), toy_split(30), "training images are of 4 classes, but bundle tiny has 3 labels"),
        (toy_split(60), toy_split(30, classes=2), "test images are of 2 classes, but bundle tiny has 3 labels"),
        (toy_split(60), toy_split(1), "test set has 1 images, too few"),
    ],
)
def test_data_that_is_not_the_bundles_is_refused(
    tiny_bundle: Path, tmp_path: Path, train: Split, test: Split, problem: str
) -> None:
    folder = write_idx_folder(tmp_path / "data", train, test)
    with pytest.raises(DataError, match=problem):
        evaluate_command(tiny_bundle, folder, tmp_path / "report")
    assert not (tmp_path / "report").exists()


def test_a_missing_bundle_or_data_set_is_one_sentence(tiny_bundle: Path, data: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="not a bundle"):
        evaluate_command(tmp_path / "none", data, tmp_path / "report")
    with pytest.raises(DataError, match="no such folder"):
        evaluate_command(tiny_bundle, tmp_path / "none", tmp_path / "report")


def test_fewer_samples_than_labels_are_refused(tiny_bundle: Path, data: Path, tmp_path: Path) -> None:
    with pytest.raises(AnytimeError, match="2 samples are too few for 3 labels"):
        evaluate_command(tiny_bundle, data, tmp_path / "report", "--samples", "2")
