"""A file of keys that changes under a running server."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import pytest
from live_server import until

from models.errors import SettingsError
from service.access.keyfile import add_key, revoke_key
from service.access.keys import Key
from service.access.watch import KeyWatch

SOON = 0.01


class Holder:
    """Who is told what the file says."""

    def __init__(self) -> None:
        self.versions: list[set[str]] = []

    def use(self, keys: Mapping[str, Key]) -> None:
        self.versions.append(set(keys))


def text_of(file: Path) -> str:
    return file.read_text()


def write(file: Path, text: str) -> None:
    """In its place at once, so that no half of it is seen."""
    new = file.with_name("new")
    new.write_text(text)
    new.replace(file)


def remove(file: Path) -> None:
    file.unlink()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "keys.toml"
    add_key(path, "a", {})
    return path


async def test_a_change_is_taken_in(file: Path) -> None:
    holder = Holder()
    watch = KeyWatch(file, holder.use, SOON)
    assert holder.versions == [{"a"}]
    async with watch.followed():
        add_key(file, "b", {})
        await until(lambda: holder.versions[-1] == {"a", "b"})
        revoke_key(file, "a")
        await until(lambda: holder.versions[-1] == {"b"})
    assert holder.versions == [{"a"}, {"a", "b"}, {"b"}]


async def test_a_broken_version_keeps_the_old_one_and_is_named_once(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    holder, good = Holder(), text_of(file)
    async with KeyWatch(file, holder.use, SOON).followed():
        write(file, "[keys.a]\nrate = 7\n")
        await until(lambda: "keys.a.sha256: field required; the 1 keys read before stay in force" in caplog.text)
        remove(file)
        await until(lambda: "there is no file of keys" in caplog.text)
        write(file, good)
        await until(lambda: "keys.toml: 1 keys" in caplog.text)
    assert holder.versions == [{"a"}, {"a"}]
    assert [record.levelname for record in caplog.records if "stay in force" in record.message] == ["ERROR", "ERROR"]


async def test_a_file_that_is_emptied_to_be_written_anew_locks_nobody_out(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    holder, good = Holder(), text_of(file)
    async with KeyWatch(file, holder.use, SOON).followed():
        write(file, "")
        await until(lambda: "is empty; the 1 keys read before stay in force" in caplog.text)
        write(file, good)
        await until(lambda: len(holder.versions) == 2)
    assert holder.versions == [{"a"}, {"a"}]


async def test_a_reload_that_is_asked_for_does_not_wait(file: Path) -> None:
    holder = Holder()
    watch = KeyWatch(file, holder.use, seconds=3600)
    async with watch.followed():
        for times in (2, 3):
            watch.reload()
            await until(lambda times=times: len(holder.versions) == times)  # type: ignore[misc]
    assert holder.versions == [{"a"}] * 3


async def test_a_link_that_is_turned_is_a_change(file: Path, tmp_path: Path) -> None:
    """As Kubernetes puts a new version of a secret in place."""
    link, other, holder = tmp_path / "link.toml", tmp_path / "other.toml", Holder()
    add_key(other, "z", {})
    link.symlink_to(file)
    async with KeyWatch(link, holder.use, SOON).followed():
        turned = tmp_path / "turned"
        turned.symlink_to(other)
        turned.replace(link)
        await until(lambda: holder.versions[-1] == {"z"})


async def test_no_keys_let_nobody_in_and_are_warned_of(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    revoke_key(file, "a")
    holder = Holder()
    KeyWatch(file, holder.use)
    assert holder.versions == [set()]
    assert "has no keys: nobody is let in" in caplog.text


async def test_a_file_that_is_wrong_from_the_start_is_an_error(file: Path) -> None:
    write(file, "nonsense")
    with pytest.raises(SettingsError, match="cannot read the keys"):
        KeyWatch(file, Holder().use)
