from __future__ import annotations

import gzip
import struct
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from toy_data import toy_split, write_idx_folder
from toy_recipe import toy_recipe

from models.errors import DataError
from training.data.dataset import fingerprint
from training.data.idx import read_idx
from training.data.request import Request
from training.data.sources import open_source

REQUEST = Request(toy_recipe().media, toy_recipe().data)
IMAGES = struct.pack(">I3I", 0x803, 2, 2, 3) + bytes(range(12))


def test_reads_what_is_written(tmp_path: Path) -> None:
    path = tmp_path / "images"
    path.write_bytes(IMAGES)
    assert read_idx(path, 3).tolist() == [[[0, 1, 2], [3, 4, 5]], [[6, 7, 8], [9, 10, 11]]]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is cut short, 0 bytes are less than an IDX header of 16"),
        (IMAGES[:-1], "is cut short, its header promises 12 bytes of data and 11 follow"),
        (IMAGES + b"x", "goes on past its end, its header promises 12 bytes of data and 13 follow"),
        (b"\x00\x00\x08\x01" + IMAGES[4:], "starts with 0x00000801, not with the IDX magic number 0x00000803"),
        (b"\x89PNG" + IMAGES[4:], "starts with 0x89504e47"),
        (struct.pack(">I3I", 0x803, 2**32 - 1, 2**32 - 1, 2**32 - 1), "is cut short, its header promises 79228162458"),
    ],
)
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_bad_file_is_one_sentence_that_names_it(tmp_path: Path, content: bytes, said: str, suffix: str) -> None:
    path = tmp_path / f"train-images-idx3-ubyte{suffix}"
    path.write_bytes(gzip.compress(content) if suffix else content)
    with pytest.raises(DataError) as raised:
        read_idx(path, 3)
    assert str(raised.value).startswith(f"{path}: {said}")


def test_a_damaged_gzip_file(tmp_path: Path) -> None:
    path = tmp_path / "images.gz"
    whole = gzip.compress(IMAGES)
    path.write_bytes(whole[:-6])
    with pytest.raises(DataError, match="the gzip stream has no end"):
        read_idx(path, 3)
    path.write_bytes(IMAGES)
    with pytest.raises(DataError, match="is not an intact gzip file"):
        read_idx(path, 3)


@given(st.binary(max_size=64))
def test_no_bytes_break_the_reader(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    for name in ("any", "any.gz"):
        path = tmp_path_factory.getbasetemp() / name
        path.write_bytes(content)
        with pytest.raises(DataError, match=str(path)):
            read_idx(path, 3)


def test_a_folder_plain_or_gzipped_is_the_same_data(tmp_path: Path) -> None:
    train, test = toy_split(20), toy_split(10, seed=1)
    folder = write_idx_folder(tmp_path / "plain", train, test)
    zipped = tmp_path / "zipped"
    zipped.mkdir()
    for file in folder.iterdir():
        (zipped / f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
    for spec in (folder, zipped):
        read = open_source(str(spec)).load(REQUEST)
        read_train, read_test = read.train, read.test
        assert torch.equal(read_train.images, train.images)
        assert torch.equal(read_train.labels, train.labels)
        assert torch.equal(read_test.images, test.images)
        assert read_test.labels.dtype == torch.int64


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    folder = write_idx_folder(tmp_path / "data", toy_split(20), toy_split(10))
    (folder / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError, match=r"has no t10k-labels-idx1-ubyte, plain or \.gz"):
        open_source(str(folder)).load(REQUEST)


def test_counts_that_disagree(tmp_path: Path) -> None:
    folder = write_idx_folder(tmp_path / "data", toy_split(20), toy_split(10))
    labels = folder / "train-labels-idx1-ubyte"
    labels.write_bytes(struct.pack(">II", 0x801, 19) + bytes(19))
    with pytest.raises(DataError, match="has 19 labels for the 20 images of train-images-idx3-ubyte"):
        open_source(str(folder)).load(REQUEST)


def test_a_source_that_is_not_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere: no such folder"):
        open_source(str(tmp_path / "nowhere"))
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="file: is not a folder"):
        open_source(str(tmp_path / "file"))
    with pytest.raises(DataError, match="holds no data set of a known kind: IDX files"):
        open_source(str(tmp_path))


def test_pictures_are_padded_with_black_and_known_by_what_the_files_hold(tmp_path: Path) -> None:
    source = open_source(str(write_idx_folder(tmp_path, toy_split(4), toy_split(3, seed=1))))
    plain = source.load(REQUEST)
    padded = source.load(Request(REQUEST.media, REQUEST.options.model_copy(update={"pad": 2})))
    for before, after in ((plain.train, padded.train), (plain.test, padded.test)):
        assert after.images.shape == (len(before), 1, 12, 12)
        assert torch.equal(after.images[:, :, 2:10, 2:10], before.images)
        assert after.images.sum() == before.images.sum()
        assert torch.equal(after.labels, before.labels)
    assert padded.fingerprint == fingerprint(plain.train, plain.test)


def test_other_data_is_not_padded(tmp_path: Path) -> None:
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    options = REQUEST.options.model_copy(update={"pad": 2})
    with pytest.raises(DataError, match=r"data\.pad = 2 means nothing to data of this kind"):
        open_source(str(tmp_path)).load(Request(REQUEST.media, options, tmp_path / "cache"))
