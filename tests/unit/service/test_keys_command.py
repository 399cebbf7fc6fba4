"""`anytime keys`: what it prints where, and what it leaves in the file."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from service.access.keyfile import read_keys
from service.access.keys import digest_of
from service.cli import register


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys.toml"


def run(*arguments: object, **environment: str) -> Result:
    app = typer.Typer()
    register(app)
    return CliRunner().invoke(app, ["keys", *map(str, arguments)], env={"COLUMNS": "200", **environment})


def test_the_key_alone_is_on_stdout_once(file: Path) -> None:
    made = run("add", "alice", "--file", file)
    assert made.exit_code == 0
    assert re.fullmatch(r"anytime_[A-Za-z0-9_-]{43}\n", made.stdout)
    assert "alice is in" in made.stderr
    assert "never again" in made.stderr
    (key,) = read_keys(file).values()
    assert key.sha256 == digest_of(made.stdout.strip().encode()).hex()
    listed = run("list", "--file", file)
    assert made.stdout.strip() not in listed.output
    assert key.sha256 not in listed.output


def test_every_limit(file: Path) -> None:
    limits = ("--rate", "2.5", "--burst", "9", "--concurrency", "3", "--max-deadline-ms", "1500")
    run("add", "bob", "--file", file, *limits, "--expires", "2100-02-03T04:05+01:00")
    run("add", "prometheus", "--file", file, "--metrics-only", "--expires", "2100-01-31")
    run("add", "carol", "--file", file)
    keys = read_keys(file)
    bob = keys["bob"]
    assert (bob.rate, bob.burst, bob.concurrency, bob.max_deadline_ms) == (2.5, 9, 3, 1500)
    assert bob.expires == datetime(2100, 2, 3, 3, 5, tzinfo=UTC)
    assert keys["prometheus"].metrics_only
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in run("list", "--file", file).output.splitlines()}
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    assert rows["bob"] == f"2.5 9 3 1500 {today} 2100-02-03 04:05 UTC+01:00"
    assert rows["prometheus"] == f"/metrics only {today} 2100-01-31 00:00 UTC"
    assert rows["carol"] == f"any any any any {today} revoked"


@pytest.mark.parametrize(("text", "hours"), [("90d", 90 * 24), ("12h", 12)])
def test_a_time_from_now_on(file: Path, text: str, hours: int) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    run("add", "a", "--file", file, "--expires", text)
    expires = read_keys(file)["a"].expires
    assert expires is not None
    assert before <= expires - timedelta(hours=hours) <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["add", "a", "--expires", "tomorrow"], "--expires tomorrow is no date"),
        (["add", "a", "--expires", "2001-01-01"], "--expires 2001-01-01 has passed"),
        (["add", "a", "--expires", "0d"], "--expires 0d has passed"),
        (["add", "a", "--expires", "9999999d"], "--expires 9999999d is no date"),
        (["add", "a", "--burst", "2"], "--burst says how many of the --rate"),
        (["add", "a", "--rate", "0"], "rate: input should be greater than 0"),
        (["add", "a b"], "its name: string should match"),
        (["revoke", "a"], "no file of keys"),
        (["list"], "no file of keys"),
    ],
)
def test_what_makes_no_sense_leaves_no_file(file: Path, arguments: list[str], says: str) -> None:
    failed = run(*arguments, "--file", file)
    assert failed.exit_code == 1
    assert re.search(says, str(failed.exception))
    assert not file.exists()


def test_a_key_that_is_revoked_is_gone(file: Path) -> None:
    for name in ("a", "b"):
        run("add", name, "--file", file)
    assert "a is no longer in" in run("revoke", "a", "--file", file).stderr
    assert list(read_keys(file)) == ["b"]
    assert "has no key named a; it has b" in str(run("revoke", "a", "--file", file).exception)


def test_a_key_that_has_expired_is_shown_as_such(file: Path) -> None:
    file.write_text(f'[keys.old]\nsha256 = "{"0" * 64}"\nexpires = 2020-01-01T00:00:00Z\n')
    assert "2020-01-01 00:00 UTC (has passed)" in run("list", "--file", file).output
