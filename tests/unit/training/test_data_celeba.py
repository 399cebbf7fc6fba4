from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from toy_files import Said, recipe_for

from models.errors import DataError
from training.data.dataset import prepare
from training.data.sources import open_source

FACES = 24
ATTRIBUTES = ["5_o_Clock_Shadow", "Smiling", "Young"]


def write_celeba(folder: Path, lists: str = "", anno: str = "", images: str = "img_align_celeba") -> Path:
    """Faces of 178 x 218 whose centre is as bright as their number says; every second one smiles."""
    for place in (lists, anno, images):
        (folder / place).mkdir(parents=True, exist_ok=True)
    names = [f"{number:06d}.jpg" for number in range(1, FACES + 1)]
    for number, name in enumerate(names):
        image = Image.new("RGB", (178, 218), "white")
        image.paste((10 * number,) * 3, (11, 31, 167, 187))  # a little more than the square that is kept
        image.save(folder / images / name, quality=95)
    parts = [0] * 12 + [1] * 6 + [2] * 6
    partition = "".join(f"{name} {part}\n" for name, part in zip(names, parts, strict=True))
    (folder / lists / "list_eval_partition.txt").write_text(partition)
    rows = "".join(f"{name} -1 {'-1' if number % 2 else ' 1'}  1\n" for number, name in enumerate(names))
    (folder / anno / "list_attr_celeba.txt").write_text(f"{FACES}\n{' '.join(ATTRIBUTES)} \n{rows}")
    return folder


@pytest.mark.parametrize("places", [("", "", "img_align_celeba"), ("Eval", "Anno", "Img/img_align_celeba")])
def test_parts_are_the_official_ones_and_faces_are_cut_out(tmp_path: Path, places: tuple[str, str, str]) -> None:
    folder = write_celeba(tmp_path / "celeba", *places)
    dataset = prepare(open_source(str(folder)), recipe_for((3, 64, 64), validation=4), tmp_path / "cache")
    assert [len(split) for split in (dataset.train, dataset.validation, dataset.test)] == [12, 4, 6]
    assert dataset.labels == ("all",)
    assert tuple(dataset.train.images.shape[1:]) == (3, 64, 64)
    brightness = dataset.test.images.double().mean((1, 2, 3)).sort().values
    assert brightness.tolist() == pytest.approx([10 * number for number in range(18, 24)], abs=2)


def test_an_attribute_is_the_label(tmp_path: Path) -> None:
    folder = write_celeba(tmp_path / "celeba")
    recipe = recipe_for((1, 8, 8), attribute="Smiling", validation=0.5)
    dataset = prepare(open_source(str(folder)), recipe, tmp_path / "cache")
    assert dataset.labels == ("not Smiling", "Smiling")
    assert len(dataset.validation) == 6  # all of the data's own
    number = (dataset.train.images.double().mean((1, 2, 3)) / 10).round().long()
    assert dataset.train.labels.tolist() == (1 - number % 2).tolist()
    with pytest.raises(DataError, match=r"has no attribute 'Smile', but 5_o_Clock_Shadow, Smiling, Young"):
        prepare(open_source(str(folder)), recipe_for((1, 8, 8), attribute="Smile"), tmp_path / "cache")


def test_a_missing_face_is_skipped_and_a_missing_list_is_an_error(tmp_path: Path) -> None:
    folder = write_celeba(tmp_path / "celeba")
    (folder / "img_align_celeba" / "000002.jpg").unlink()
    said = Said()
    dataset = prepare(open_source(str(folder)), recipe_for((3, 8, 8)), tmp_path / "cache", said)
    assert len(dataset.train) == 11
    assert said.lines[-1] == "skipped 000002.jpg: cannot be read (No such file or directory)"
    (folder / "list_attr_celeba.txt").unlink()
    with pytest.raises(DataError, match=r"celeba: has no list_attr_celeba.txt, which CelebA is distributed with"):
        prepare(open_source(str(folder)), recipe_for((3, 8, 8), attribute="Smiling"), tmp_path / "cache")
    (folder / "list_eval_partition.txt").write_text("000001.jpg 0\n000003.jpg 3\n")
    with pytest.raises(DataError, match=r"list_eval_partition.txt: line 2 is not a file's name and 0, 1 or 2"):
        prepare(open_source(str(folder)), recipe_for((3, 8, 8)), tmp_path / "cache")


@pytest.mark.parametrize("line", ["000001.jpg 1 1", "000001.jpg 1 0 1", ""])
def test_an_attribute_list_that_is_damaged(tmp_path: Path, line: str) -> None:
    folder = write_celeba(tmp_path / "celeba")
    path = folder / "list_attr_celeba.txt"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:2], line, *lines[3:]]))
    with pytest.raises(DataError, match=r"list_attr_celeba.txt: (has no|the) line (of|for) 000001.jpg"):
        prepare(open_source(str(folder)), recipe_for((3, 8, 8), attribute="Smiling"), tmp_path / "cache")
