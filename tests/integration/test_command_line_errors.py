"""A command that is given something wrong says so in one sentence, exits with a status, and leaves nothing behind."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from server_process import COMMAND, ROOT


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)


def one_sentence(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 1, result.stderr
    assert result.stdout == ""
    assert result.stderr.startswith("anytime: ")
    assert result.stderr.count("\n") == 1, result.stderr
    return result.stderr


def corrupt(bundle: Path) -> None:
    file = bundle / "autoencoder.safetensors"
    file.write_bytes(file.read_bytes()[::-1])


def truncate(bundle: Path) -> None:
    file = bundle / "prior.safetensors"
    file.write_bytes(file.read_bytes()[:100])


def mismatch(bundle: Path) -> None:
    """Weights of another model, with checksums to match."""
    manifest = json.loads((bundle / "bundle.json").read_text())
    manifest["prior"]["width"] *= 2
    (bundle / "bundle.json").write_text(json.dumps(manifest))


def age(bundle: Path) -> None:
    manifest = json.loads((bundle / "bundle.json").read_text())
    (bundle / "bundle.json").write_text(json.dumps({**manifest, "format_version": 99}))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (corrupt, "autoencoder.safetensors: does not match its SHA-256"),
        (truncate, "prior.safetensors: has 100 bytes"),
        (mismatch, "prior.safetensors: tensor"),
        (age, "bundle.json: has format version 99, newer than the 1 read here"),
    ],
)
@pytest.mark.parametrize("command", [("bundle", "verify"), ("serve", "--port", "0", "--bundles")])
def test_a_bundle_that_cannot_be_used(
    tiny_bundle: Path, tmp_path: Path, command: tuple[str, ...], damage: Callable[[Path], None], said: str
) -> None:
    bundle = tmp_path / "tiny"
    shutil.copytree(tiny_bundle, bundle)
    damage(bundle)
    assert said in one_sentence(run(*command, bundle))


def test_no_bundle_at_all(tmp_path: Path) -> None:
    assert "no bundle here" in one_sentence(run("serve", "--bundles", tmp_path))
    assert "not a bundle" in one_sentence(run("bundle", "show", tmp_path))


def test_data_that_is_not_there(tmp_path: Path) -> None:
    out = tmp_path / "run"
    said = one_sentence(run("train", "smoke", "--data", tmp_path / "nowhere", "--out", out))
    assert "nowhere: no such folder" in said
    assert not out.exists()


def test_data_with_a_file_missing(tmp_path: Path, fashion_mnist: Path) -> None:
    for file in fashion_mnist.iterdir():
        if not file.name.startswith("t10k-labels"):
            (tmp_path / file.name).symlink_to(file)
    said = one_sentence(run("train", "smoke", "--data", tmp_path, "--out", tmp_path / "run"))
    assert "t10k-labels-idx1-ubyte" in said
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name = ", "is not valid TOML"),
        ("name = 'x'", "media: is missing"),
        ("[media]\ntype = 'image'\nshape = [28, 28]", "media"),
    ],
)
def test_a_malformed_recipe(tmp_path: Path, text: str, said: str) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text(text)
    stderr = one_sentence(run("train", recipe, "--data", tmp_path, "--out", tmp_path / "run"))
    assert str(recipe) in stderr
    assert said in stderr
    assert not (tmp_path / "run").exists()
    assert "no such recipe" in one_sentence(run("train", "no-such", "--data", tmp_path, "--out", tmp_path / "run"))
