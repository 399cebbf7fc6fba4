"""Which files a source has, and what each is called."""

from __future__ import annotations

from pathlib import Path

from training.data.files import AUDIO, find_files


def places(folder: Path) -> list[str]:
    return [str(found.place) for found in find_files(folder, AUDIO)]


def test_a_folder_that_is_linked_to_is_named_by_where_it_lies(tmp_path: Path) -> None:
    # As Debian lays out its telephone prompts: `en` is a link to the voice `en_US_f_Allison` beside it.
    voice = tmp_path / "en_US_f_Allison" / "digits"
    voice.mkdir(parents=True)
    (voice / "one.wav").touch()
    (tmp_path / "en").symlink_to(tmp_path / "en_US_f_Allison")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "spoken").symlink_to(voice)
    assert places(tmp_path) == ["en_US_f_Allison/digits/one.wav"]


def test_links_to_other_folders_are_followed_once(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "one.wav").touch()
    source = tmp_path / "source"
    source.mkdir()
    for name in ("second", "first"):
        (source / name).symlink_to(elsewhere)
    (source / "up").symlink_to(tmp_path)
    assert places(source) == ["first/one.wav"]


def test_a_source_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "one.wav").touch()
    (tmp_path / "link").symlink_to(tmp_path / "there")
    assert places(tmp_path / "link") == ["one.wav"]
