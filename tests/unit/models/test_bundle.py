from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from factories import PRIORS, TRANSFORMER, tiny_manifest, tiny_networks, write_tiny_bundle

from models.bundle.manifest import MANIFEST
from models.bundle.networks import load_networks
from models.bundle.reader import find_bundles, read_manifest, verify_bundle
from models.bundle.writer import round_to_half, write_bundle
from models.errors import BundleError

LSTM_WITH_HEADS = {"kind": "lstm", "layers": 1, "width": 4, "heads": 2}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_tiny_bundle(tmp_path)


def edit(bundle: Path, **changes: object) -> None:
    content = json.loads((bundle / MANIFEST).read_text())
    (bundle / MANIFEST).write_text(json.dumps({**content, **changes}))


def test_what_is_written_is_read_back_in_half_precision(bundle: Path) -> None:
    networks, original = load_networks(bundle), tiny_networks()
    assert networks.manifest == verify_bundle(bundle) == read_manifest(bundle)
    for loaded, written in ((networks.autoencoder, original.autoencoder), (networks.prior, original.prior)):
        expected = round_to_half(written).state_dict()
        assert all(torch.equal(tensor, expected[name]) for name, tensor in loaded.state_dict().items())
        assert not loaded.training
        assert all(parameter.dtype == torch.float32 for parameter in loaded.parameters())


@pytest.mark.parametrize("kind", PRIORS)
def test_a_prior_of_any_kind_is_read_back(tmp_path: Path, kind: str) -> None:
    networks = tiny_networks(tiny_manifest(prior=PRIORS[kind]))
    write_bundle(tmp_path / "b", networks.manifest, networks.autoencoder, networks.prior)
    loaded = load_networks(tmp_path / "b")
    assert loaded.manifest.prior == loaded.prior.config == PRIORS[kind]
    assert type(loaded.prior) is type(networks.prior)
    expected = round_to_half(networks.prior).state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in loaded.prior.state_dict().items())


def test_a_prior_of_no_kind_is_a_transformer(bundle: Path) -> None:
    edit(bundle, prior=TRANSFORMER.model_dump(exclude={"kind"}))
    assert "kind" not in json.loads((bundle / MANIFEST).read_text())["prior"]
    networks = load_networks(bundle)
    assert networks.manifest.prior == TRANSFORMER
    assert networks.prior.config == TRANSFORMER


def test_the_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = write_tiny_bundle(tmp_path / "a"), write_tiny_bundle(tmp_path / "b")
    assert {f.name: f.read_bytes() for f in first.iterdir()} == {f.name: f.read_bytes() for f in second.iterdir()}


def truncate(bundle: Path) -> None:
    file = bundle / "prior.safetensors"
    file.write_bytes(file.read_bytes()[:-10])


def flip(bundle: Path) -> None:
    file = bundle / "prior.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(bytes(data))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (truncate, r"prior\.safetensors: has \d+ bytes where the bundle lists \d+: truncated or replaced"),
        (flip, r"prior\.safetensors: does not match its SHA-256"),
        (lambda b: (b / "report.json").unlink(), r"report\.json: is listed in the bundle but missing"),
        (lambda b: (b / MANIFEST).unlink(), r"not a bundle: it has no bundle\.json"),
        (lambda b: (b / MANIFEST).write_bytes(b"\x00\xff"), r"bundle\.json: is not JSON"),
        (lambda b: (b / MANIFEST).write_text("[]"), "must hold one JSON object"),
        (lambda b: edit(b, format_version=2), "has format version 2, newer than the 1 read here: update"),
        (lambda b: edit(b, format_version=0), "format_version: Input should be 1"),
        (lambda b: edit(b, quality_curve=[0, 1]), "quality_curve has 2 numbers, expected codes \\+ 1 = 7"),
        (lambda b: edit(b, quality_curve=[0, 0.1, 0.2, 0.3, 0.4, 0.5, 1]), "must be monotone and concave"),
        (lambda b: edit(b, quality_curve=[0.5, 1, 1, 1, 1, 1, 1]), "must start at 0 and end at 1"),
        (lambda b: edit(b, labels=["a", "a", "b"]), "labels must be distinct"),
        (lambda b: edit(b, colour="red"), "colour: Extra inputs are not permitted"),
        (lambda b: edit(b, prior={"kind": "gru"}), "prior: kind should be 'transformer', 'lstm' or 'pixelcnn'"),
        (lambda b: edit(b, prior=LSTM_WITH_HEADS), "prior.heads: Extra inputs are not permitted"),
        (lambda b: edit(b, name="../up"), "name: String should match pattern"),
        (lambda b: edit(b, files={}), "files does not list autoencoder.safetensors and prior.safetensors"),
    ],
)
def test_a_damaged_bundle_says_what_is_wrong_and_where(
    bundle: Path, damage: Callable[[Path], object], said: str
) -> None:
    damage(bundle)
    with pytest.raises(BundleError, match=said) as caught:
        verify_bundle(bundle)
    assert str(bundle) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_outside_the_bundle_is_not_read(bundle: Path) -> None:
    files = json.loads((bundle / MANIFEST).read_text())["files"]
    edit(bundle, files={**files, "../secret": {"bytes": 0, "sha256": "0" * 64}})
    with pytest.raises(BundleError, match="lists a file outside the bundle"):
        verify_bundle(bundle)


@pytest.mark.parametrize(
    ("written_as", "said"),
    [
        (
            {"codes": 5},
            r"tensor encoder\.2\.weight has shape \[6, 8, 3, 3\] where the manifest calls for \[5, 8, 3, 3\]",
        ),
        (
            {"shape": (3, 8, 8)},
            r"tensor encoder\.0\.weight has shape \[8, 1, 4, 4\] where the manifest calls for \[8, 3, 4, 4\]",
        ),
    ],
)
def test_weights_that_do_not_fit_the_manifest_are_refused(
    tmp_path: Path, written_as: dict[str, Any], said: str
) -> None:
    networks = tiny_networks()
    write_bundle(tmp_path / "b", tiny_manifest(**written_as), networks.autoencoder, networks.prior)
    with pytest.raises(BundleError, match=said):
        load_networks(tmp_path / "b")


def test_tensors_that_lack_or_abound_are_named(tmp_path: Path) -> None:
    networks = tiny_networks()
    shallow = networks.manifest.prior.model_copy(update={"layers": 1})
    write_bundle(
        tmp_path / "b", networks.manifest.model_copy(update={"prior": shallow}), networks.autoencoder, networks.prior
    )
    with pytest.raises(BundleError, match=r"has an unexpected tensor blocks\.1\."):
        load_networks(tmp_path / "b")


def test_only_a_bundle_is_replaced(tmp_path: Path, bundle: Path) -> None:
    networks = tiny_networks(seed=1)
    write_bundle(bundle, networks.manifest, networks.autoencoder, networks.prior)
    assert not (bundle / "report.json").exists()
    verify_bundle(bundle)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "dear.jpg").write_bytes(b"x")
    with pytest.raises(BundleError, match="exists and is not a bundle"):
        write_bundle(tmp_path / "photos", networks.manifest, networks.autoencoder, networks.prior)
    assert (tmp_path / "photos" / "dear.jpg").exists()


def test_a_failed_write_leaves_nothing_behind(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {file.name: file.read_bytes() for file in bundle.iterdir()}

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    networks = tiny_networks(seed=1)
    with pytest.raises(BundleError, match="cannot be written: No space left on device"):
        write_bundle(bundle, networks.manifest, networks.autoencoder, networks.prior)
    assert {file.name: file.read_bytes() for file in bundle.iterdir()} == before
    assert [entry.name for entry in bundle.parent.iterdir()] == [bundle.name]


def test_bundles_are_found_alone_or_in_a_folder(tmp_path: Path, bundle: Path) -> None:
    other = write_tiny_bundle(tmp_path, "another")
    (tmp_path / "notes").mkdir()
    assert find_bundles(bundle) == [bundle]
    assert find_bundles(tmp_path) == [other, bundle]
    with pytest.raises(BundleError, match="no bundle here"):
        find_bundles(tmp_path / "notes")
    with pytest.raises(BundleError, match="no such folder"):
        find_bundles(tmp_path / "nowhere")


def test_reading_a_bundle_does_not_import_torch(bundle: Path) -> None:
    program = f"""
import sys, pathlib
from models.bundle.reader import verify_bundle
import models.runtime.protocol
verify_bundle(pathlib.Path({str(bundle)!r}))
sys.exit("torch" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
