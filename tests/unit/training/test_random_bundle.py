"""A random bundle is a bundle like any other, and says that it is none to look at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from anytime import app
from models.bundle.manifest import AUTOENCODER, PRIOR, Manifest
from models.bundle.networks import load_hierarchy
from models.bundle.reader import verify_bundle
from models.bundle.refined import RefinedManifest
from models.errors import BundleError, RecipeError
from models.prior import build_prior
from models.runtime import load_model
from models.runtime.protocol import SampleRequest
from training.random_bundle import assumed_quality_curve, write_random_bundle
from training.recipe import load_any_recipe, load_recipe

SMOKE = load_recipe("smoke")
PRETRAINED = Path(__file__).parents[3] / "models" / "pretrained"


def test_the_command_writes_a_bundle_that_samples(tmp_path: Path) -> None:
    bundle = tmp_path / "random"
    made = CliRunner().invoke(app, ["bundle", "random", "--recipe", "smoke", "--out", str(bundle)])
    assert made.exit_code == 0, made.output
    assert "smoke, version untrained" in made.output
    assert CliRunner().invoke(app, ["bundle", "verify", str(bundle)]).exit_code == 0
    manifest, model = load_model(bundle, "cpu", slots=2)
    assert manifest.description.startswith("UNTRAINED")
    for slot in (0, 1):
        model.begin(slot, SampleRequest(seed=slot))
    for _ in range(3):
        model.step([0, 1])
    first, second = model.decode([0, 1]).media
    assert first.shape == manifest.media.shape
    assert not np.array_equal(first, second)


def test_a_refined_one_has_its_base_as_it_is_and_random_pixels(tmp_path: Path) -> None:
    recipe = load_any_recipe("refined-fashion-mnist")
    assert write_random_bundle(tmp_path / "random", recipe, 0).codes == 16 + 28 * 28
    manifest, model = load_model(tmp_path / "random", "cpu", slots=1)
    assert isinstance(manifest, RefinedManifest)
    assert manifest.base == verify_bundle(PRETRAINED / "fashion-mnist")
    model.begin(0, SampleRequest(seed=0, label=1))
    model.step([0], 16)
    before = model.decode([0]).media
    model.step([0], 28 * 28)
    assert not np.array_equal(model.decode([0]).media, before)
    missing = recipe.model_copy(update={"base": "nothing-like-it"})
    with pytest.raises(RecipeError, match="base: nothing-like-it: not a bundle"):
        write_random_bundle(tmp_path / "none", missing, 0)


def test_the_seed_decides_the_weights(tmp_path: Path) -> None:
    one, same, other = (write_random_bundle(tmp_path / str(n), SMOKE, seed) for n, seed in enumerate((1, 1, 2)))
    assert one == same
    assert all(one.files[name] != other.files[name] for name in (AUTOENCODER, PRIOR))


def test_what_is_no_bundle_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(BundleError, match="is not a bundle"):
        write_random_bundle(tmp_path, SMOKE, 0)
    assert (tmp_path / "thesis.txt").exists()


@pytest.mark.parametrize("codes", [1, 2, 16, 70, 512])
def test_the_assumed_curve_is_one_that_a_manifest_takes(codes: int) -> None:
    curve = assumed_quality_curve(codes)
    gains = np.diff(curve)
    assert len(curve) == codes + 1
    assert (curve[0], curve[-1]) == (0.0, 1.0)
    assert (gains >= 0).all()
    assert (np.diff(gains) <= 1e-12).all()


def test_the_papers_cifar10_model_has_about_20_million_parameters() -> None:
    recipe = load_recipe("cifar10")
    prior = build_prior(recipe.prior, recipe.autoencoder.codes, recipe.autoencoder.codebook, len(recipe.labels))
    assert sum(each.numel() for each in prior.parameters()) == pytest.approx(20e6, rel=0.05)


def test_cifar10_fits_a_manifest(tmp_path: Path) -> None:
    manifest = write_random_bundle(tmp_path / "cifar10", load_recipe("cifar10"), 0)
    assert isinstance(manifest, Manifest)
    assert (manifest.codes, manifest.media.shape) == (70, (3, 32, 32))
    assert verify_bundle(tmp_path / "cifar10") == manifest


def test_a_hierarchical_recipe_has_a_random_bundle_too(tmp_path: Path) -> None:
    recipe = load_any_recipe("hierarchical-fashion-mnist")
    manifest = write_random_bundle(tmp_path / "b", recipe, 1)
    loaded = load_hierarchy(tmp_path / "b")
    assert loaded.manifest == manifest
    assert manifest.description.startswith("UNTRAINED")
    codes = loaded.hierarchy.encode(torch.randint(32, (8, 1, 32, 32)))[1]
    assert len(set(codes.flatten().tolist())) > 10
    assert write_random_bundle(tmp_path / "c", recipe, 1) == manifest
    assert CliRunner().invoke(app, ["bundle", "show", str(tmp_path / "b")]).exit_code == 0
