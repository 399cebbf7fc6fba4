from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
import torch
from toy_files import Said, noise_image, recipe_for, write_image

from models.errors import DataError
from training.data import cache as cache_module
from training.data import preparation
from training.data.arrays import ArrayWriter, map_array
from training.data.dataset import Dataset, prepare
from training.data.pictures import PictureDecoder
from training.data.request import default_cache
from training.data.sources import open_source

SHAPE = (3, 8, 8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(20):
        noise_image(tmp_path / "data" / "ab"[number % 2] / f"{number}.png", (12, 9), number)
    return tmp_path / "data"


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of all files that are decoded."""
    names: list[str] = []
    original = PictureDecoder.__call__

    def counted(decoder: PictureDecoder, name: str, content: bytes) -> Any:
        names.append(name)
        return original(decoder, name, content)

    monkeypatch.setattr(PictureDecoder, "__call__", counted)
    return names


def read(folder: Path, cache: Path, said: Said | None = None, **options: Any) -> Dataset:
    return prepare(open_source(str(folder)), recipe_for(SHAPE, **options), cache, said or Said())


def entries(cache: Path) -> list[str]:
    """What lies in a cache beside its lock."""
    return sorted(path.name for path in cache.iterdir() if path.name != ".lock")


def test_data_is_decoded_once_and_said_to_be(folder: Path, tmp_path: Path, decoded: list[str]) -> None:
    said = Said()
    first = read(folder, tmp_path / "cache", said)
    assert sorted(decoded) == sorted(f"{'ab'[number % 2]}/{number}.png" for number in range(20))
    assert said.lines[0] == f"preparing 20 files of {folder}"
    assert said.lines[1].startswith("prepared ")
    again = Said()
    second = read(folder, tmp_path / "cache", again)
    assert len(decoded) == 20
    (line,) = again.lines
    assert line.endswith(f"samples, prepared earlier, from {tmp_path / 'cache' / entries(tmp_path / 'cache')[0]}")
    assert first.fingerprint == second.fingerprint
    assert torch.equal(first.train.images, second.train.images)
    assert torch.equal(first.train.labels, second.train.labels)


def test_splits_of_what_is_prepared_are_views_of_the_files(folder: Path, tmp_path: Path) -> None:
    dataset = read(folder, tmp_path / "cache", limit=5)
    parts = [dataset.train.images, dataset.validation.images]
    assert len({images.untyped_storage().data_ptr() for images in parts}) == 1
    dataset.train.images.fill_(0)  # in memory alone
    assert read(folder, tmp_path / "cache").train.images.count_nonzero() > 0


@pytest.mark.parametrize("options", [{"validation": 3}, {"limit": 9}, {"validation": 0.25}])
def test_how_it_is_split_later_does_not_matter(
    folder: Path, tmp_path: Path, decoded: list[str], options: dict[str, Any]
) -> None:
    first = read(folder, tmp_path / "cache")
    assert read(folder, tmp_path / "cache", **options).fingerprint == first.fingerprint
    assert len(decoded) == 20


def test_whatever_changes_the_samples_prepares_them_anew(folder: Path, tmp_path: Path, decoded: list[str]) -> None:
    cache = tmp_path / "cache"

    def times() -> int:
        count = len(decoded)
        read(folder, cache)
        return len(decoded) - count

    assert (times(), times()) == (20, 0)
    noise_image(folder / "a" / "0.png", (12, 9), seed=99)
    assert (times(), times()) == (20, 0)
    os.utime(folder / "a" / "2.png", ns=(0, 0))
    assert (times(), times()) == (20, 0)
    write_image(folder / "a" / "more.png")
    assert (times(), times()) == (21, 0)
    (folder / "a").rename(folder / "c")
    assert (times(), times()) == (21, 0)
    assert len(entries(cache)) == 5
    for options in ({"crops": 2}, {"test": 0.5}):
        read(folder, cache, **options)
    assert len(entries(cache)) == 7


def test_a_damaged_entry_is_made_again(folder: Path, tmp_path: Path, decoded: list[str]) -> None:
    cache = tmp_path / "cache"
    first = read(folder, cache)
    (entry,) = entries(cache)
    for name in ("about.json", "train.samples.npy", "test.labels.npy"):
        path = cache / entry / name
        path.write_bytes(path.read_bytes()[:-3])
        assert read(folder, cache).fingerprint == first.fingerprint
    assert len(decoded) == 80
    assert entries(cache) == [entry]


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_an_interrupted_preparation_leaves_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    def interrupted(*_: Any) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(preparation, "write_json", interrupted)
        with pytest.raises(error):
            read(folder, tmp_path / "cache")
    assert entries(tmp_path / "cache") == []
    read(folder, tmp_path / "cache")


KILLED = """
import os, signal, sys
from pathlib import Path
from toy_files import recipe_for
from training.data.dataset import prepare
from training.data.sources import open_source

Path.rename = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
prepare(open_source(sys.argv[1]), recipe_for((3, 8, 8)), Path(sys.argv[2]))
"""


def test_what_a_killed_preparation_leaves_is_not_used_and_removed_by_the_next(folder: Path, tmp_path: Path) -> None:
    cache, tests = tmp_path / "cache", Path(__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": f"{tests.parent}{os.pathsep}{tests}"}
    killed = subprocess.run([sys.executable, "-c", KILLED, str(folder), str(cache)], env=environment, check=False)
    assert killed.returncode == -signal.SIGKILL
    (left,) = entries(cache)
    assert left.endswith(".part")
    read(folder, cache)
    assert entries(cache) == [left.removeprefix(".").removesuffix(".part")]


def test_one_process_at_a_time_prepares(folder: Path, tmp_path: Path, decoded: list[str]) -> None:
    cache, said, found = tmp_path / "cache", Said(), []
    cache.mkdir()
    with (cache / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        waiting = Thread(target=lambda: found.append(read(folder, cache, said)))
        waiting.start()
        while not said.lines:
            waiting.join(0.01)
        assert said.lines == ["waiting for another run that is preparing data"]
        assert not decoded
    waiting.join(30)
    assert len(found) == 1


def test_a_cache_that_cannot_be_written(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"file/cache: prepared data cannot be written there \(Not a directory\)"):
        read(folder, tmp_path / "file" / "cache")


def test_the_cache_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache() == tmp_path / "anytime" / "data"
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_cache() == tmp_path / ".cache" / "anytime" / "data"


def test_an_array_that_grows_is_read_as_it_was_written(tmp_path: Path) -> None:
    rows = np.arange(12000, dtype=np.int16).reshape(-1, 3)
    with ArrayWriter(tmp_path / "a.npy", np.int16, (3,)) as array:
        for start in range(0, len(rows), 7):
            array.append(rows[start : start + 7])
    assert np.array_equal(np.load(tmp_path / "a.npy"), rows)
    assert np.array_equal(map_array(tmp_path / "a.npy").numpy(), rows)
    with pytest.raises(ValueError, match="rows of int64"), ArrayWriter(tmp_path / "b.npy", np.int16, (3,)) as array:
        array.append(np.zeros((1, 3), dtype=np.int64))


def test_a_new_revision_is_another_entry(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read(folder, tmp_path / "cache")
    monkeypatch.setattr(cache_module, "REVISION", cache_module.REVISION + 1)
    read(folder, tmp_path / "cache")
    assert len(entries(tmp_path / "cache")) == 2
