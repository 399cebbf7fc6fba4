from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from toy_files import recipe_for

from models.errors import DataError
from training.data.dataset import prepare
from training.data.sources import open_source
from training.recipe import load_recipe

TEN = load_recipe("cifar10").labels
COLOUR = (3, 32, 32)


def pixels(count: int, seed: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, 3 * 32 * 32), dtype=np.uint8)


def write_cifar10(folder: Path, per_batch: int = 12) -> Path:
    """The files of CIFAR-10's binary version; record i of a batch is of class i mod 10."""
    folder.mkdir(parents=True)
    names = [f"data_batch_{number}.bin" for number in range(1, 6)] + ["test_batch.bin"]
    for seed, name in enumerate(names):
        labels = np.arange(per_batch, dtype=np.uint8)[:, None] % 10
        (folder / name).write_bytes(np.hstack([labels, pixels(per_batch, seed)]).tobytes())
    (folder / "batches.meta.txt").write_text("\n".join(TEN) + "\n\n")
    (folder / "readme.html").touch()
    return folder


def write_cifar100(folder: Path) -> Path:
    """The files of CIFAR-100's binary version; record i is of fine class i mod 100 and coarse class i mod 20."""
    folder.mkdir(parents=True)
    for seed, (name, count) in enumerate({"train.bin": 150, "test.bin": 40}.items()):
        order = np.arange(count)[:, None]
        records = np.hstack([order % 20, order % 100, pixels(count, seed)]).astype(np.uint8)
        (folder / name).write_bytes(records.tobytes())
    (folder / "fine_label_names.txt").write_text("".join(f"fine{number}\n" for number in range(100)))
    (folder / "coarse_label_names.txt").write_text("".join(f"coarse{number}\n" for number in range(20)))
    return folder


@pytest.mark.parametrize("given", [".", "cifar-10-batches-bin"])
def test_cifar10_by_its_folder_or_the_one_above(tmp_path: Path, given: str) -> None:
    write_cifar10(tmp_path / "cifar-10-batches-bin")
    dataset = prepare(open_source(str(tmp_path / given)), recipe_for(COLOUR, validation=10), tmp_path / "cache")
    assert dataset.labels == TEN
    assert [len(split) for split in (dataset.train, dataset.validation, dataset.test)] == [50, 10, 12]
    assert dataset.test.labels.tolist() == [*range(10), 0, 1]
    assert np.array_equal(dataset.test.images.numpy().reshape(12, -1), pixels(12, seed=5))
    assert dataset.train.batch(slice(2), torch.device("cpu")).shape == (2, *COLOUR)
    assert not (tmp_path / "cache").exists()


def test_the_shipped_recipe_names_the_labels_as_the_files_do(tmp_path: Path) -> None:
    write_cifar10(tmp_path / "cifar")
    assert prepare(open_source(str(tmp_path / "cifar")), recipe_for(COLOUR, labels=TEN)).labels == TEN
    with pytest.raises(DataError, match=r"the recipe names the label 'zebra', but the data's labels are airplane, "):
        prepare(open_source(str(tmp_path / "cifar")), recipe_for(COLOUR, labels=(*TEN[:9], "zebra")))


@pytest.mark.parametrize("given", [".", "cifar-100-binary"])
def test_cifar100_has_fine_labels_or_coarse_ones(tmp_path: Path, given: str) -> None:
    write_cifar100(tmp_path / "cifar-100-binary")
    source = open_source(str(tmp_path / given))
    fine, coarse = prepare(source, recipe_for(COLOUR)), prepare(source, recipe_for(COLOUR, label="coarse"))
    assert (len(fine.labels), fine.labels[99], len(coarse.labels), coarse.labels[19]) == (100, "fine99", 20, "coarse19")
    assert fine.test.labels.tolist() == list(range(40))
    assert coarse.test.labels.tolist() == [*range(20), *range(20)]
    assert torch.equal(fine.test.images, coarse.test.images)
    assert np.array_equal(fine.test.images.numpy().reshape(40, -1), pixels(40, seed=1))


def test_a_label_that_there_is_not(tmp_path: Path) -> None:
    source = open_source(str(write_cifar100(tmp_path / "cifar")))
    with pytest.raises(DataError, match=r"data.label: CIFAR-100 has no label 'medium', but coarse and fine"):
        prepare(source, recipe_for(COLOUR, label="medium"))


def test_files_that_are_not_as_distributed(tmp_path: Path) -> None:
    folder = write_cifar10(tmp_path / "cifar-10-batches-bin")
    source = open_source(str(folder))
    batch = folder / "data_batch_3.bin"
    whole = batch.read_bytes()
    batch.write_bytes(whole[:-1])
    with pytest.raises(DataError, match=r"data_batch_3.bin: is no whole number of records, 36875 bytes of 3073 each"):
        prepare(source, recipe_for(COLOUR))
    batch.write_bytes(b"\x0a" + whole[1:])
    with pytest.raises(DataError, match=r"data_batch_3.bin: has a label 10, but only 10 labels have a name"):
        prepare(source, recipe_for(COLOUR))
    batch.unlink()
    with pytest.raises(DataError, match=r"has no data_batch_3.bin, as CIFAR-10's binary version does"):
        prepare(source, recipe_for(COLOUR))


def test_another_shape_is_refused(tmp_path: Path) -> None:
    source = open_source(str(write_cifar10(tmp_path / "cifar")))
    with pytest.raises(DataError, match=r"the training set's images are \[3, 32, 32\], but the recipe's media.shape"):
        prepare(source, recipe_for((3, 64, 64)))


def test_a_folder_with_both_versions(tmp_path: Path) -> None:
    write_cifar10(tmp_path / "cifar-10-batches-bin")
    write_cifar100(tmp_path / "cifar-100-binary")
    with pytest.raises(DataError, match=r"holds several data sets, CIFAR-10's .* and CIFAR-100's .* name the folder"):
        open_source(str(tmp_path))
