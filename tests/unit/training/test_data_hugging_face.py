from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import soundfile
import torch
from datasets import Audio, ClassLabel, Dataset, DatasetDict, Features, Image, Value
from toy_files import RATE, WINDOW, Said, image_bytes, ramp, recipe_for

from models.errors import AnytimeError, DataError
from training import extras
from training.data.dataset import prepare
from training.data.sources import open_source

CATS = ClassLabel(names=["dog", "cat"])


def pictures(brightness: Sequence[int], labels: Sequence[Any], kind: Any = CATS) -> Any:
    """A table of grey pictures beside a column that is of no use."""
    columns = {
        "id": list(range(len(labels))),
        "picture": [{"bytes": image_bytes((value,) * 3), "path": None} for value in brightness],
        "kind": list(labels),
    }
    return Dataset.from_dict(columns, Features({"id": Value("int64"), "picture": Image(), "kind": kind}))


def saved(table: Any, folder: Path) -> str:
    table.save_to_disk(str(folder))
    return f"hf:{folder}"


def brightness(images: torch.Tensor) -> list[int]:
    return sorted(images[:, 0, 0, 0].tolist())


def test_splits_and_labels_are_those_of_the_data_set(tmp_path: Path) -> None:
    splits = {
        "train": pictures(range(20), [0, 1] * 10),
        "validation": pictures(range(100, 106), [1] * 6),
        "test": pictures(range(200, 210), [0] * 10),
        "unsupervised": pictures([255], [0]),
    }
    spec = saved(DatasetDict(splits), tmp_path / "saved")
    dataset = prepare(open_source(spec), recipe_for((3, 8, 8), validation=4), tmp_path / "cache")
    assert dataset.labels == ("dog", "cat")
    assert brightness(dataset.train.images) == list(range(20))
    assert torch.equal(dataset.train.labels, dataset.train.images[:, 0, 0, 0].long() % 2)
    assert len(dataset.validation) == 4
    assert brightness(dataset.test.images) == list(range(200, 210))


def test_one_split_is_divided(tmp_path: Path) -> None:
    spec = saved(pictures(range(40), ["b", "a"] * 20, Value("string")), tmp_path / "saved")
    plain = prepare(open_source(spec), recipe_for((3, 8, 8), validation=5), tmp_path / "cache")
    assert plain.labels == ("all",)
    whole = [value for split in (plain.train, plain.validation, plain.test) for value in brightness(split.images)]
    assert sorted(whole) == list(range(40))
    named = prepare(open_source(spec), recipe_for((1, 8, 8), label="kind"), tmp_path / "cache")
    assert named.labels == ("a", "b")
    assert torch.equal(named.train.labels, 1 - named.train.images[:, 0, 0, 0].long() % 2)


def test_numbers_as_labels_keep_their_order(tmp_path: Path) -> None:
    spec = saved(pictures(range(30), [number % 3 + 8 for number in range(30)], Value("int32")), tmp_path / "saved")
    dataset = prepare(open_source(spec), recipe_for((1, 8, 8), label="kind"), tmp_path / "cache")
    assert dataset.labels == ("8", "9", "10")
    assert torch.equal(dataset.train.labels, dataset.train.images[:, 0, 0, 0].long() % 3)


def test_rows_without_a_picture_or_a_label_are_skipped(tmp_path: Path) -> None:
    table = pictures(range(20), [0, 1] * 9 + [-1, None])
    columns = table.features
    broken = Dataset.from_dict(
        {"id": [1, 2], "picture": [None, {"bytes": b"no picture", "path": None}], "kind": [0, 0]}, columns
    )
    splits = DatasetDict({"train": table, "test": broken, "dev": table})
    said = Said()
    with pytest.raises(DataError, match=r"nothing of its test part can be used, .*test/[01]: "):
        prepare(open_source(saved(splits, tmp_path / "saved")), recipe_for((1, 8, 8)), tmp_path / "cache", said)
    spec = saved(table, tmp_path / "alone")
    dataset = prepare(open_source(spec), recipe_for((1, 8, 8)), tmp_path / "cache", said)
    assert len(dataset.train) + len(dataset.validation) + len(dataset.test) == 18
    assert said.lines[-2:] == ["skipped train/18: has no label", "skipped train/19: has no label"]


def test_sounds_are_decoded_without_the_librarys_help(tmp_path: Path) -> None:
    clips = []
    for number in range(12):
        file = io.BytesIO()
        soundfile.write(file, ramp(2 * WINDOW, start=1000 * number), RATE, format="FLAC")
        clips.append({"bytes": file.getvalue(), "path": f"{number}.flac"})
    columns = {"audio": clips, "speaker": ["p1", "p2", "p3"] * 4}
    stored = {"bytes": Value("binary"), "path": Value("string")}
    table = Dataset.from_dict(columns, Features({"audio": stored, "speaker": Value("string")}))
    spec = saved(table.cast_column("audio", Audio(decode=False)), tmp_path / "saved")
    recipe = recipe_for((1, WINDOW), label="speaker", validation=2)
    dataset = prepare(open_source(spec), recipe, tmp_path / "cache")
    assert dataset.labels == ("p1", "p2", "p3")
    assert len(dataset.train) + len(dataset.validation) + len(dataset.test) == 24
    for split in (dataset.train, dataset.validation, dataset.test):
        assert torch.equal(split.labels, split.images[:, 0, 0].long() // 1000 % 3)


def test_columns_that_there_are_not(tmp_path: Path) -> None:
    spec = saved(pictures(range(20), [0] * 20), tmp_path / "saved")
    with pytest.raises(DataError, match=f"{spec}: has no column of type Audio, but id, picture, kind"):
        prepare(open_source(spec), recipe_for((1, WINDOW)), tmp_path / "cache")
    with pytest.raises(DataError, match=r"data.label: .* has no column 'sort', but id, picture, kind"):
        prepare(open_source(spec), recipe_for((1, 8, 8), label="sort"), tmp_path / "cache")
    with pytest.raises(DataError, match=r"the column 'picture' of .* holds neither classes, text nor integers"):
        prepare(open_source(spec), recipe_for((1, 8, 8), label="picture"), tmp_path / "cache")


def test_a_name_and_its_configuration_are_asked_of_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def load_dataset(name: str, config: str | None) -> Any:
        asked.append((name, config))
        return pictures(range(20), [0, 1] * 10)

    monkeypatch.setattr("datasets.load_dataset", load_dataset)
    for spec in ("hf:someone/cats", "hf:someone/cats:small"):
        prepare(open_source(spec), recipe_for((3, 8, 8)), tmp_path / "cache")
    assert asked == [("someone/cats", None), ("someone/cats", "small")]


def test_what_cannot_be_opened_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def load_dataset(name: str, config: str | None) -> Any:
        raise ConnectionError(f"no way to {name}\n{config}")

    monkeypatch.setattr("datasets.load_dataset", load_dataset)
    with pytest.raises(DataError, match=r"hf:nobody/nothing: cannot be opened .* \(no way to nobody/nothing\)$"):
        prepare(open_source("hf:nobody/nothing"), recipe_for((3, 8, 8)), tmp_path / "cache")


def test_without_the_library_there_is_a_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda _: None)
    with pytest.raises(AnytimeError, match=r"hf:a/b: a data set of Hugging Face needs datasets: pip install"):
        prepare(open_source("hf:a/b"), recipe_for((3, 8, 8)), tmp_path / "cache")
