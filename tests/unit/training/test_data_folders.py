from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from toy_files import WINDOW, Said, noise_image, ramp, recipe_for, write_image, write_sound

from models.errors import DataError
from training.data.dataset import Dataset, prepare
from training.data.sources import open_source

CPU = torch.device("cpu")
RED, BLUE = (255, 0, 0), (0, 0, 255)
SPLITS = ("train", "validation", "test")


def rows(samples: Tensor) -> set[bytes]:
    return {sample.numpy().tobytes() for sample in samples}


def disjoint(dataset: Dataset) -> bool:
    """Whether no sample is in two splits."""
    found = [rows(getattr(dataset, split).images) for split in SPLITS]
    return sum(map(len, found)) == len(set[bytes]().union(*found))


def two_classes(folder: Path, count: int = 20) -> Path:
    for name, colour in (("red", RED), ("blue", BLUE)):
        for number in range(count):
            write_image(folder / name / f"{number}.png", (10 + number, 12), colour)
    return folder


def test_each_subfolder_is_a_class(tmp_path: Path) -> None:
    dataset = prepare(open_source(str(two_classes(tmp_path / "a"))), recipe_for((3, 8, 8)), tmp_path / "cache")
    assert dataset.labels == ("blue", "red")
    assert sum(len(getattr(dataset, split)) for split in SPLITS) == 40
    assert len(dataset.validation) == 1
    assert len(dataset.test) >= 1
    assert dataset.train.images.dtype == torch.uint8
    batch = dataset.train.batch(slice(None), CPU)
    colours = torch.tensor([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])[dataset.train.labels]
    assert torch.equal(batch, colours[:, :, None, None].expand(-1, 3, 8, 8))


def test_labels_come_in_the_recipes_order(tmp_path: Path) -> None:
    source = open_source(str(two_classes(tmp_path / "a")))
    plain = prepare(source, recipe_for((3, 8, 8)), tmp_path / "cache")
    swapped = prepare(source, recipe_for((3, 8, 8), labels=("red", "blue")), tmp_path / "cache")
    assert swapped.labels == ("red", "blue")
    assert torch.equal(swapped.test.labels, 1 - plain.test.labels)
    assert swapped.fingerprint == plain.fingerprint


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (("red", "blue", "green"), "the recipe names the label 'green', but the data's labels are blue, red"),
        (("red",), "the data has the label 'blue', but the recipe names red"),
    ],
)
def test_labels_that_do_not_match_are_named(tmp_path: Path, labels: tuple[str, ...], said: str) -> None:
    with pytest.raises(DataError, match=said):
        prepare(open_source(str(two_classes(tmp_path / "a"))), recipe_for((3, 8, 8), labels), tmp_path / "cache")


def test_without_subfolders_there_is_one_class(tmp_path: Path) -> None:
    for number in range(30):
        noise_image(tmp_path / "a" / f"{number}.png", (9, 9), number)
    dataset = prepare(open_source(str(tmp_path / "a")), recipe_for((1, 8, 8), validation=0.2), tmp_path / "cache")
    assert dataset.labels == ("all",)
    assert len(dataset.validation) == round(0.2 * (30 - len(dataset.test)))
    assert disjoint(dataset)


def test_parts_are_taken_as_they_are(tmp_path: Path) -> None:
    for part, first in (("train", 0), ("val", 100), ("test", 200)):
        for number in range(first, first + 10):
            noise_image(tmp_path / "a" / part / ("even", "odd")[number % 2] / f"{number}.png", (8, 8), number)
    noise_image(tmp_path / "a" / "beside.png", (8, 8), 1)
    said = Said()
    dataset = prepare(open_source(str(tmp_path / "a")), recipe_for((3, 8, 8), validation=7), tmp_path / "cache", said)
    assert [len(getattr(dataset, split)) for split in SPLITS] == [10, 7, 10]
    assert dataset.labels == ("even", "odd")
    assert disjoint(dataset)
    assert "skipped beside.png: is in none of the folders test, train, val" in said.lines
    shutil.rmtree(tmp_path / "a" / "test")
    dataset = prepare(open_source(str(tmp_path / "a")), recipe_for((3, 8, 8), validation=3), tmp_path / "cache")
    assert [len(getattr(dataset, split)) for split in SPLITS] == [7, 3, 10]


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    for vehicle in ("train", "ship"):
        for number in range(5):
            write_image(tmp_path / "a" / vehicle / f"{number}.png")
    dataset = prepare(open_source(str(tmp_path / "a")), recipe_for((3, 8, 8)), tmp_path / "cache")
    assert dataset.labels == ("ship", "train")


def test_crops_of_one_file_are_in_one_split(tmp_path: Path) -> None:
    for number in range(40):
        write_image(tmp_path / "a" / f"{number}.png", (60, 40), (number, 2 * number, 255 - number))
    recipe = recipe_for((3, 8, 8), crops=6, validation=20, test=0.3)
    dataset = prepare(open_source(str(tmp_path / "a")), recipe, tmp_path / "cache")
    assert sum(len(getattr(dataset, split)) for split in SPLITS) == 240
    assert len(dataset.validation) == 24  # whole files
    colours = [rows(getattr(dataset, split).images[:, :, 0, 0].contiguous()) for split in SPLITS]
    assert sum(map(len, colours)) == len(set[bytes]().union(*colours)) == 40
    limited = prepare(
        open_source(str(tmp_path / "a")),
        recipe.model_copy(update={"data": recipe.data.model_copy(update={"limit": 9})}),
        tmp_path / "cache",
    )
    assert torch.equal(limited.train.images, dataset.train.images[:9])


def test_more_files_move_no_other_between_train_and_test(tmp_path: Path) -> None:
    for number in range(40):
        noise_image(tmp_path / "a" / f"{number}.png", (8, 8), number)
    recipe = recipe_for((3, 8, 8), test=0.3)
    before = prepare(open_source(str(tmp_path / "a")), recipe, tmp_path / "cache")
    for number in range(40, 60):
        noise_image(tmp_path / "a" / f"{number}.png", (8, 8), number)
    after = prepare(open_source(str(tmp_path / "a")), recipe, tmp_path / "cache")
    assert rows(before.test.images) <= rows(after.test.images)
    assert before.fingerprint != after.fingerprint


def test_damaged_and_odd_files_are_named_skipped_and_counted(tmp_path: Path) -> None:
    folder = two_classes(tmp_path / "a")
    for number in range(4):
        (folder / "red" / f"bad{number}.png").write_bytes(b"no picture")
    whole = (folder / "red" / "3.png").read_bytes()
    (folder / "red" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "blue" / "empty.jpg").touch()
    (folder / "blue" / "link.png").symlink_to(folder / "nowhere")
    (folder / "blue" / "notes.txt").write_text("not looked at")
    (folder / "blue" / "._0.png").write_text("hidden")
    (folder / "loop").symlink_to(folder)
    said = Said()
    dataset = prepare(open_source(str(folder)), recipe_for((3, 8, 8)), tmp_path / "cache", said)
    assert sum(len(getattr(dataset, split)) for split in SPLITS) == 40
    skipped = [line for line in said.lines if line.startswith("skipped")]
    assert len(skipped) == 6
    reasons = ("cannot be read", "cannot be decoded", "is none of BMP, GIF, JPEG, PNG, TIFF, WEBP, or damaged")
    assert all(line.partition(": ")[2].startswith(reasons) for line in skipped[:5])
    assert skipped[5] == "skipped 2 more"


def test_nothing_that_can_be_used_is_an_error(tmp_path: Path) -> None:
    for number in range(9):
        (tmp_path / "a" / f"{number}.png").parent.mkdir(exist_ok=True)
        (tmp_path / "a" / f"{number}.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"nothing of its train part can be used, \d.png: is none of"):
        prepare(open_source(str(tmp_path / "a")), recipe_for((3, 8, 8)), tmp_path / "cache")
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [".lock"]


def test_one_file_is_too_few(tmp_path: Path) -> None:
    write_image(tmp_path / "a" / "1.png")
    with pytest.raises(DataError, match="1 files are too few to train on some and test on others"):
        prepare(open_source(str(tmp_path / "a")), recipe_for((3, 8, 8)), tmp_path / "cache")


def speakers(folder: Path, suffix: str = ".wav", sub: str = "{speaker}/{number}") -> Path:
    """Two speakers, ten files each of three windows and a bit, no sample twice."""
    for index, speaker in enumerate(("p225", "p226")):
        for number in range(10):
            name = sub.format(speaker=speaker, number=number)
            write_sound(folder / f"{name}{suffix}", ramp(3 * WINDOW + 5, start=index * 5000 + number * 300))
    return folder


def check_speakers(dataset: Dataset, labels: tuple[str, ...] = ("p225", "p226"), windows: int = 60) -> None:
    assert dataset.labels == labels
    assert dataset.train.images.dtype == torch.int16
    assert tuple(dataset.train.images.shape[1:]) == (1, WINDOW)
    assert sum(len(getattr(dataset, split)) for split in SPLITS) == windows
    files = []
    for split in (getattr(dataset, name) for name in SPLITS):
        first = split.images[:, 0, 0].long()
        assert torch.equal(split.labels, first // 5000)
        files.append(set((first % 5000 // 300 + 100 * split.labels).tolist()))
    assert sum(map(len, files)) == len(set[int]().union(*files)) == 20


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".AIFF"])
def test_each_subfolder_is_a_speaker(tmp_path: Path, suffix: str) -> None:
    source = open_source(str(speakers(tmp_path / "a", suffix)))
    dataset = prepare(source, recipe_for((1, WINDOW), validation=4), tmp_path / "cache")
    check_speakers(dataset)
    assert len(dataset.validation) == 6
    batch = dataset.train.batch(slice(3), CPU)
    assert batch.dtype == torch.float32
    assert torch.equal(batch, dataset.train.images[:3] / 32768)


def test_windows_may_overlap_but_not_across_splits(tmp_path: Path) -> None:
    source = open_source(str(speakers(tmp_path / "a")))
    recipe = recipe_for((1, WINDOW), stride=WINDOW // 2, test=0.4, validation=0.3)
    dataset = prepare(source, recipe, tmp_path / "cache")
    check_speakers(dataset, windows=100)


def test_a_pattern_finds_the_speaker_in_the_name(tmp_path: Path) -> None:
    folder = speakers(tmp_path / "a", sub="clips/{number}_{speaker}_x")
    write_sound(folder / "clips" / "nobody.wav", ramp(WINDOW))
    said = Said()
    recipe = recipe_for((1, WINDOW), speaker=r"_(p\d+)_x")
    check_speakers(prepare(open_source(str(folder)), recipe, tmp_path / "cache", said))
    assert "skipped clips/nobody.wav: does not match data.speaker" in said.lines
    recipe = recipe_for((1, WINDOW), speaker="speaker=(.*)")
    with pytest.raises(DataError, match=r"too few .*\(clips/0_p225_x.wav: does not match data.speaker\)"):
        prepare(open_source(str(folder)), recipe, tmp_path / "cache")


def test_short_and_damaged_clips_are_skipped(tmp_path: Path) -> None:
    folder = speakers(tmp_path / "a")
    write_sound(folder / "p225" / "short.wav", ramp(WINDOW // 4))
    write_sound(folder / "p225" / "half.wav", np.full(WINDOW // 2, 4000, np.int16))
    (folder / "p226" / "noise.mp3").write_bytes(b"no sound" * 99)
    said = Said()
    dataset = prepare(open_source(str(folder)), recipe_for((1, WINDOW)), tmp_path / "cache", said)
    assert sum(len(getattr(dataset, split)) for split in SPLITS) == 61
    assert {line.partition(" (")[0] for line in said.lines[2:]} == {
        "skipped p225/short.wav: is too short, 16 samples are less than half a window of 64",
        "skipped p226/noise.mp3: cannot be read as audio",
    }


@pytest.mark.parametrize("given", ["", "wav48"])
def test_vctk_as_it_was(tmp_path: Path, given: str) -> None:
    speakers(tmp_path / "VCTK-Corpus" / "wav48", sub="{speaker}/{speaker}_{number:03d}")
    source = open_source(str(tmp_path / "VCTK-Corpus" / given))
    check_speakers(prepare(source, recipe_for((1, WINDOW)), tmp_path / "cache"))


@pytest.mark.parametrize("given", ["", "wav48_silence_trimmed"])
def test_vctk_as_it_is_now(tmp_path: Path, given: str) -> None:
    folder = tmp_path / "VCTK" / "wav48_silence_trimmed"
    for microphone in ("mic1", "mic2"):
        speakers(folder, ".flac", "{speaker}/{speaker}_{number:03d}_" + microphone)
    (folder / "log.txt").touch()
    source = open_source(str(tmp_path / "VCTK" / given))
    check_speakers(prepare(source, recipe_for((1, WINDOW)), tmp_path / "cache"))


def test_a_folder_with_both_is_read_as_the_recipe_wants(tmp_path: Path) -> None:
    folder = speakers(tmp_path / "a")
    write_image(folder / "p225" / "cover.jpg")
    check_speakers(prepare(open_source(str(folder), "audio"), recipe_for((1, WINDOW)), tmp_path / "cache"))
    with pytest.raises(DataError, match="holds several data sets, image files and audio files; name the folder of one"):
        open_source(str(folder))


def test_media_and_options_of_another_kind_are_refused(tmp_path: Path) -> None:
    images, sounds = two_classes(tmp_path / "a", 2), speakers(tmp_path / "b")
    with pytest.raises(DataError, match=r"is of type image, but the recipe's media.type is audio"):
        prepare(open_source(str(images)), recipe_for((1, WINDOW)), tmp_path / "cache")
    with pytest.raises(DataError, match=r"data.crops = 3 means nothing .*\(a folder of audio files\); remove it"):
        prepare(open_source(str(sounds)), recipe_for((1, WINDOW), crops=3), tmp_path / "cache")
    with pytest.raises(DataError, match=r"data.stride = 5 means nothing .*\(a folder of images\); remove it"):
        prepare(open_source(str(images)), recipe_for((3, 8, 8), stride=5), tmp_path / "cache")
