"""Sorting emoji packages, made here in the form that npm has them."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from training.data.emoji import main


def emoji(name: str, category: str = "Symbols", *tones: str) -> dict[str, Any]:
    variations = {tone: {"image": f"{name}-{tone}.png"} for tone in tones}
    return {"unified": name, "category": category, "image": f"{name}.png", "skin_variations": variations}


def package(path: Path, style: str, listing: list[dict[str, Any]]) -> Path:
    """A package with a picture of every image that is listed, in two sizes; its content is its name."""
    images = [each["image"] for entry in listing for each in (entry, *entry["skin_variations"].values())]
    files = {f"package/img/{style}/{size}/{image}": image.encode() for size in (32, 64) for image in images}
    with tarfile.open(path, "w:gz") as archive:
        for name, content in {"package/emoji.json": json.dumps(listing).encode(), **files}.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def test_every_drawing_of_an_emoji_is_on_one_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listing = [emoji(f"1f{number:03x}", "People & Body", "1", "2") for number in range(200)]
    listing.append(emoji("tone", "Component"))
    packages = [package(tmp_path / f"{style}.tgz", style, listing) for style in ("google", "twitter")]
    out = tmp_path / "data" / "emoji"
    main([*map(str, packages), "--out", str(out)])
    files = [path.relative_to(out) for path in out.rglob("*.png")]
    assert len(files) == 200 * 3 * 2
    assert {path.parts[1] for path in files} == {"people"}
    sides: dict[str, set[str]] = {}
    for path in files:
        sides.setdefault(path.name[:5], set()).add(path.parts[0])
    assert all(len(side) == 1 for side in sides.values())
    tested = sum(side == {"test"} for side in sides.values())
    assert 5 <= tested <= 40
    assert (out / files[0]).read_bytes().decode() == files[0].name.rsplit("-", 1)[0] + ".png"
    assert f"{(200 - tested) * 6} pictures to train on, {tested * 6} to test with" in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"", b"no archive", None])
def test_what_is_no_such_package_leaves_nothing(
    tmp_path: Path, content: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad, out = package(tmp_path / "good.tgz", "google", [emoji("a")]), tmp_path / "bad.tgz", tmp_path / "out"
    if content is None:
        package(bad, "google", [])
    else:
        bad.write_bytes(content)
    with pytest.raises(SystemExit):
        main([str(good), str(bad), "--out", str(out)])
    assert f"{bad}: is not one of the emoji-datasource packages" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.tgz", "good.tgz"]


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([str(package(tmp_path / "p.tgz", "google", [emoji("a")])), "--out", str(tmp_path)])
    assert "remove it, or choose another folder" in capsys.readouterr().err
