"""What `bundle.json` says of eight bits: nothing in old bundles, and written without touching anything else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from factories import write_tiny_bundle
from pydantic import ValidationError
from typer.testing import CliRunner

import anytime
from models.bundle.manifest import EIGHT_BIT_REVISION, MANIFEST, EightBitCheck, EightBitDistance
from models.bundle.reader import read_manifest, verify_bundle
from models.bundle.writer import record_eight_bit
from models.errors import BundleError

CHECK = EightBitCheck(
    revision=EIGHT_BIT_REVISION,
    samples=1000,
    distance="FD (toy)",
    agreement=0.975,
    fractions=(
        EightBitDistance(codes=2, full_precision=50.0, eight_bit=50.4),
        EightBitDistance(codes=6, full_precision=20.0, eight_bit=19.9),
    ),
)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_tiny_bundle(tmp_path)


def content(bundle: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((bundle / MANIFEST).read_text(encoding="utf-8"))
    return values


def shown(bundle: Path) -> str:
    return " ".join(
        CliRunner().invoke(anytime.app, ["bundle", "show", str(bundle)], catch_exceptions=False).output.split()
    )


def test_a_bundle_from_before_the_question_is_one_that_was_not_checked(bundle: Path) -> None:
    values = content(bundle)
    assert values.pop("eight_bit") is None
    (bundle / MANIFEST).write_text(json.dumps(values), encoding="utf-8")
    assert verify_bundle(bundle).eight_bit is None
    assert "eight bits │ not checked" in shown(bundle)


def test_recording_changes_that_field_of_that_file_only(bundle: Path) -> None:
    old = {**content(bundle), "description": "Ünïcode"}
    del old["eight_bit"], old["autoencoder"]["decoder"]  # as an older version wrote it
    (bundle / MANIFEST).write_text(json.dumps(old), encoding="utf-8")
    files = {path.name: path.read_bytes() for path in bundle.iterdir() if path.name != MANIFEST}
    record_eight_bit(bundle, CHECK)
    assert {path.name: path.read_bytes() for path in bundle.iterdir() if path.name != MANIFEST} == files
    new = content(bundle)
    assert new.pop("eight_bit") == CHECK.model_dump(mode="json")
    assert new == old
    assert list(new)[-1] == "files"
    assert "Ünïcode" in (bundle / MANIFEST).read_text(encoding="utf-8")
    assert verify_bundle(bundle).eight_bit == CHECK


def test_recording_again_replaces_what_was_said(bundle: Path) -> None:
    record_eight_bit(bundle, CHECK)
    record_eight_bit(bundle, CHECK.model_copy(update={"agreement": 0.5}))
    found = read_manifest(bundle).eight_bit
    assert found is not None
    assert found.agreement == 0.5


def test_show_says_what_was_found(bundle: Path) -> None:
    record_eight_bit(bundle, CHECK)
    said = shown(bundle)
    assert "passed: with 1,000 samples" in said
    assert "97.5% of the codes agree" in said
    record_eight_bit(bundle, CHECK.model_copy(update={"revision": EIGHT_BIT_REVISION + 1}))
    assert "an executor that has changed since" in shown(bundle)


@pytest.mark.parametrize(
    ("field", "value"),
    [("fractions", []), ("agreement", 1.5), ("samples", 0), ("passed", True), ("distance", None)],
)
def test_nonsense_is_refused(bundle: Path, field: str, value: object) -> None:
    values = {**CHECK.model_dump(mode="json"), field: value}
    with pytest.raises(ValidationError):
        EightBitCheck.model_validate(values)
    (bundle / MANIFEST).write_text(json.dumps({**content(bundle), "eight_bit": values}), encoding="utf-8")
    with pytest.raises(BundleError, match=f"eight_bit.{field}"):
        verify_bundle(bundle)


def test_nothing_is_recorded_where_there_is_no_bundle_or_no_place(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="not a bundle"):
        record_eight_bit(tmp_path / "none", CHECK)
    (bundle / f".{MANIFEST}.new").mkdir()
    before = content(bundle)
    with pytest.raises(BundleError, match="cannot be written"):
        record_eight_bit(bundle, CHECK)
    assert content(bundle) == before
