"""Keys: what is kept of one, how the one that was sent is found, and the file that they are in."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import stat
import tomllib
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from models.errors import AnytimeError, SettingsError
from service.access import keys
from service.access.keyfile import add_key, read_keys, revoke_key
from service.access.keys import KeyRing, digest_of, new_key

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys.toml"


def test_keys_are_long_random_and_fit_into_every_header() -> None:
    made = {new_key() for _ in range(100)}
    assert len(made) == 100
    for key in made:
        assert re.fullmatch(r"anytime_[A-Za-z0-9_-]{43}", key)  # 43 characters of 6 bits hold 256


def test_every_search_is_one_comparison_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return hmac.compare_digest(one, other)

    monkeypatch.setattr(keys, "hmac", type("spy", (), {"compare_digest": staticmethod(compare)}))
    ring = KeyRing((name, digest_of(name.encode())) for name in ("a", "b", "c"))
    assert [ring.find(sent) for sent in (b"a", b"c", b"d", b"", b"\xff" * 1000)] == ["a", "c", None, None, None]
    assert len(compared) == 5
    assert {len(side) for pair in compared for side in pair} == {32}


def test_only_the_whole_digest_counts() -> None:
    """Another key whose digest begins alike, which nobody could find, is still another key."""
    digest = digest_of(b"mine")
    ring = KeyRing([("mine", digest[:8] + bytes(24))])
    assert ring.find(b"mine") is None


def test_a_key_is_kept_as_its_digest_alone(file: Path) -> None:
    key = add_key(file, "alice", {"rate": 2.5, "burst": 7, "concurrency": 3, "max_deadline_ms": 200.0}, NOW)
    text = file.read_text()
    assert key not in text
    assert key.removeprefix("anytime_") not in text
    assert tomllib.loads(text) == {
        "keys": {
            "alice": {
                "sha256": hashlib.sha256(key.encode()).hexdigest(),
                "created": NOW,
                "rate": 2.5,
                "burst": 7,
                "concurrency": 3,
                "max_deadline_ms": 200.0,
            }
        }
    }


def test_what_is_written_is_read_again(file: Path) -> None:
    expires = NOW + timedelta(days=90)
    add_key(file, "alice", {"rate": 0.00001, "burst": 1})
    add_key(file, "bob-2_x", {"expires": expires, "metrics_only": True})
    add_key(file, "carol", {"rate": 1e16, "expires": datetime.fromisoformat("2027-01-01T00:00:00+05:30")})
    read = read_keys(file)
    assert list(read) == ["alice", "bob-2_x", "carol"]
    assert (read["alice"].rate, read["alice"].most_at_once) == (0.00001, 1)
    assert (read["bob-2_x"].expires, read["bob-2_x"].metrics_only) == (expires, True)
    assert read["carol"].rate == 1e16
    assert not read["bob-2_x"].expired(expires - timedelta(seconds=1))
    assert read["bob-2_x"].expired(expires)
    assert not read["alice"].expired(expires)


def test_a_new_file_is_for_its_owner_alone_and_an_old_one_for_no_more_than_before(file: Path) -> None:
    add_key(file, "a", {})
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.chmod(0o644)
    add_key(file, "b", {})
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert list(file.parent.iterdir()) == [file]


def test_a_link_stays_a_link(file: Path, tmp_path: Path) -> None:
    real = tmp_path / "elsewhere" / "real.toml"
    real.parent.mkdir()
    add_key(real, "a", {})
    file.symlink_to(real)
    add_key(file, "b", {})
    assert file.is_symlink()
    assert list(read_keys(real)) == ["a", "b"]


def test_a_write_that_fails_leaves_the_old_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_key(file, "a", {})
    before = file.read_bytes()

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(AnytimeError, match=r"cannot write .*keys\.toml: no space left on device"):
        add_key(file, "b", {})
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]


def test_several_who_add_at_once_lose_nothing(file: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda number: add_key(file, f"k{number}", {}), range(24)))
    read = read_keys(file)
    assert set(read) == {f"k{number}" for number in range(24)}
    assert {key.sha256 for key in read.values()} == {digest_of(key.encode()).hex() for key in made}


def test_names_are_given_once_and_taken_away_once(file: Path) -> None:
    first = add_key(file, "a", {})
    with pytest.raises(AnytimeError, match="has a key named a; revoke it first"):
        add_key(file, "a", {})
    revoke_key(file, "a")
    assert read_keys(file) == {}
    with pytest.raises(AnytimeError, match="has no key named a; it has none"):
        revoke_key(file, "a")
    assert add_key(file, "a", {}) != first


@pytest.mark.parametrize(
    ("name", "limits", "says"),
    [
        ("a b", {}, "its name"),
        ("", {}, "its name"),
        ("a" * 65, {}, "its name"),
        ("ä", {}, "its name"),
        ("a\n", {}, "its name"),
        ("a", {"rate": 0.0}, "rate: input should be greater than 0"),
        ("a", {"rate": float("inf")}, "rate: input should be a finite number"),
        ("a", {"burst": 0}, "burst"),
        ("a", {"concurrency": 0}, "concurrency"),
        ("a", {"max_deadline_ms": -1.0}, "max_deadline_ms"),
    ],
)
def test_limits_that_make_no_sense(file: Path, name: str, limits: dict[str, object], says: str) -> None:
    with pytest.raises(AnytimeError, match=says):
        add_key(file, name, limits)
    assert not file.exists()


DIGEST = f'sha256 = "{"0" * 64}"'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("[keys", "cannot read the keys in"),
        ("[key.a]\n" + DIGEST, "key: extra inputs are not permitted"),
        ("[keys.a]\nrate = 1", r"keys\.a\.sha256: field required"),
        ('[keys.a]\nsha256 = "abc"', r"keys\.a\.sha256"),
        (f'[keys."a b"]\n{DIGEST}', r"keys\.a b: string should match"),
        (f"[keys.a]\n{DIGEST}\nrate = -1", r"keys\.a\.rate: input should be greater than 0"),
        (f'[keys.a]\n{DIGEST}\nrate = "1"', r"keys\.a\.rate: input should be a valid number"),
        (f"[keys.a]\n{DIGEST}\nspeed = 1", r"keys\.a\.speed: extra inputs"),
        (f"[keys.a]\n{DIGEST}\nexpires = 2027-01-01T00:00:00", r"keys\.a\.expires: .*timezone"),
        (f"[keys.a]\n{DIGEST}\n[keys.a]\n{DIGEST}", "cannot read the keys"),
        (f"[keys.a]\n{DIGEST}\n[keys.b]\n{DIGEST}", "a and b are the same key"),
    ],
)
def test_a_file_that_is_wrong_says_where(file: Path, text: str, says: str) -> None:
    file.write_text(text)
    with pytest.raises(SettingsError, match=says) as raised:
        read_keys(file)
    assert str(file) in str(raised.value)


def test_a_file_that_is_not_there_says_what_makes_one(file: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"no file of keys at .*; anytime keys add NAME --file .* makes one"):
        read_keys(file)
    with pytest.raises(SettingsError, match="no file of keys"):
        revoke_key(file, "a")
    with pytest.raises(AnytimeError, match=r"cannot write .*: no such file or directory"):
        add_key(tmp_path / "nowhere" / "keys.toml", "a", {})
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="cannot read the keys"):
        read_keys(file)
