"""Cutting photographs: made here of noise, coarse and fine, no part of which is like another."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from toy_files import recipe_for, write_image

from models.media.pictures import read_picture
from training.data import photos
from training.data.dataset import prepare
from training.data.photos import LISTING, Photo, is_plain, is_same, main
from training.data.sources import open_source

SIZE = 16  # of a square; photographs must have 80 pixels


def photograph(size: tuple[int, int] = (150, 100), seed: int = 0) -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 256, (10, 15, 3), dtype=np.uint8)
    return Image.fromarray(values).resize(size, Image.Resampling.BICUBIC)


def write(folder: Path, count: int) -> Path:
    folder.mkdir(parents=True)
    for seed in range(count):
        photograph(seed=seed).save(folder / f"{seed}.png")
    return folder


def run(tmp_path: Path, *options: str) -> tuple[Path, dict[str, list[str]]]:
    """Cut the photographs in `in` into `out`; the listing's rows by file name."""
    out = tmp_path / "deep" / "out"
    main([str(tmp_path / "in"), "--out", str(out), "--size", str(SIZE), *options])
    with (out / LISTING).open(encoding="utf-8", newline="") as file:
        return out, {row[3].rsplit("/", 1)[1]: row for row in list(csv.reader(file, delimiter="\t"))[1:]}


def test_all_of_a_photograph_is_on_one_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "in", 6)
    out, listing = run(tmp_path)
    squares = [path.relative_to(out) for path in out.rglob("*.png")]
    sides = {path.name.split("-")[0]: path.parts[0] for path in squares}
    assert all(sides[path.name.split("-")[0]] == path.parts[0] for path in squares)
    assert sorted(row[2] for row in listing.values()) == sorted(sides)
    assert [list(sides.values()).count(part) for part in ("train", "val", "test")] == [4, 1, 1]
    # 30 x 20, 42 x 28 and 60 x 40 pixels, every 3 pixels.
    assert len(squares) == 6 * (5 * 2 + 9 * 5 + 15 * 9)
    with Image.open(out / squares[0]) as square:
        assert square.size == (SIZE, SIZE)
    assert "6 photographs: 190 squares in test, 190 squares in val, 760 squares in train" in capsys.readouterr().out
    dataset = prepare(open_source(str(out)), recipe_for((3, 8, 8), validation=100), tmp_path / "cache")
    assert [len(part) for part in (dataset.train, dataset.validation, dataset.test)] == [760, 100, 190]


def test_one_picture_counts_once(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", 4)
    picture = photograph((300, 200), seed=1)
    picture.save(folder / "larger.jpg", quality=95)
    picture.crop((75, 0, 225, 200)).save(folder / "portrait.webp", quality=95)
    (folder / "link.png").symlink_to(folder / "2.png")
    for seed, name in enumerate(("images", "images_dark"), 50):
        (folder / "Kay" / "contents" / name).mkdir(parents=True)
        photograph(seed=seed).save(folder / "Kay" / "contents" / name / f"{name}.png")
    _, listing = run(tmp_path)
    left_out = {name: row[2] for name, row in listing.items() if row[0] == "-"}
    assert set(left_out) - {"images.png", "images_dark.png"} == {"1.png", "portrait.webp"}
    assert left_out["1.png"] == left_out["portrait.webp"] == f"is the same picture as {folder / 'larger.jpg'}"
    assert len(left_out) == 3
    assert "link.png" not in listing


def test_what_is_no_photograph_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write(tmp_path / "in", 3)
    write_image(folder / "drawing.png", (200, 200), (0, 200, 0))
    Image.linear_gradient("L").point(lambda value: value // 4).save(folder / "gradient.png")
    photograph((100, 79)).save(folder / "small.png")
    photograph(seed=9).save(folder / "asked.png")
    (folder / "broken.jpg").write_bytes(b"no picture")
    (folder / "short.png").write_bytes((folder / "1.png").read_bytes()[:300])
    _, listing = run(tmp_path, "--without", "ask*")
    left_out = {name: row[2] for name, row in listing.items() if row[0] == "-"}
    assert left_out["drawing.png"] == left_out["gradient.png"] == "is a drawing or a gradient"
    assert left_out["small.png"] == "is smaller than 80 pixels"
    assert left_out["asked.png"] == "left out as asked"
    assert len(left_out) == 6
    said = capsys.readouterr().out
    assert f"skipped {folder / 'broken.jpg'}: is none of BMP, GIF" in said
    assert f"skipped {folder / 'short.png'}: cannot be read (" in said
    assert "left out 2: drawings or gradients" in said


def test_a_clear_sky_gives_no_squares(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", 3)
    view = photograph((100, 100), seed=7)
    view.paste((90, 150, 250), (0, 0, 100, 50))
    view.save(folder / "view.png")
    out, listing = run(tmp_path)
    part, count, name, _ = listing["view.png"]
    squares = sorted((out / part).glob(f"{name}-*"))
    assert len(squares) == int(count) > 0
    assert not any(is_plain(np.asarray(read_picture(square.read_bytes(), "RGB"))) for square in squares)
    tops = {int(square.stem.split("-")[3]) for square in squares if square.stem.split("-")[1] == "2"}
    assert tops >= {15, 18, 21, 24}  # of 40 rows the upper 20 are sky
    assert not tops & {0, 3, 6}


def test_pictures_are_told_apart() -> None:
    assert is_same(photograph((150, 100)), photograph((600, 400)))
    assert is_same(photograph((150, 100)), photograph((150, 100)).crop((40, 0, 110, 100)))
    assert not is_same(photograph(seed=1), photograph(seed=2))
    grey = Image.new("RGB", (50, 50), "grey")
    assert not is_same(grey, photograph())


@settings(deadline=None)
@given(st.lists(st.binary(min_size=4, max_size=4), min_size=3, max_size=60, unique=True))
def test_parts_follow_from_the_content_alone(digests: list[bytes]) -> None:
    def parts(order: list[bytes]) -> Iterator[tuple[str, str]]:
        found = [Photo(Path(str(index)), digest.hex(), 1, ()) for index, digest in enumerate(order)]
        return ((photo.digest, part) for part, photo in photos._parts(found))

    first = dict(parts(digests))
    assert dict(parts(digests[::-1])) == first
    counts = {part: list(first.values()).count(part) for part in ("train", "val", "test")}
    assert counts["test"] == counts["val"] == max(1, round(0.1 * len(digests)))
    assert counts["train"] == len(digests) - 2 * counts["test"]


@pytest.mark.parametrize(
    ("photographs", "options", "said"),
    [
        (2, (), "2 photographs are too few for training, validation and testing"),
        (3, ("--without", "x*"), "--without x*: no picture below the folders is called so"),
        (3, ("--size", "4"), "--size 4: squares must have 5 pixels a side at least"),
        (0, (), "in: holds no image files"),
        (None, (), "in: no such folder"),
    ],
)
def test_what_cannot_be_cut_leaves_nothing(
    tmp_path: Path,
    photographs: int | None,
    options: tuple[str, ...],
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if photographs is not None:
        write(tmp_path / "in", photographs)
    with pytest.raises(SystemExit):
        run(tmp_path, *options)
    assert said in capsys.readouterr().err
    assert not any((tmp_path / "deep").glob("*"))


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([str(write(tmp_path / "in", 3)), "--out", str(tmp_path)])
    assert "remove it, or choose another folder" in capsys.readouterr().err
