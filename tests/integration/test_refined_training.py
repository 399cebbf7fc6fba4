"""A refined model from an ordered one's bundle to its own: interrupted and not, what is measured, what is refused."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from factories import write_tiny_bundle
from stopped_after import run_with_stops
from torch import nn
from toy_data import toy_split, write_idx_folder
from toy_refined import toy_refined_run, toy_refined_values, write_base
from typer.testing import CliRunner

from anytime import app
from models.bundle.networks import LoadedRefined, load_any
from models.errors import RecipeError
from training.checkpoint import load_tensors
from training.evaluation.reconstruction import reconstruct
from training.files import CheckpointError
from training.hierarchical.report import HierarchicalReport
from training.refined.context import RefinedContext
from training.refined.evaluate import RefinedSubject, rungs
from training.refined.pipeline import run_refined
from training.refined.recipe import RefinedRecipe
from training.refined.refiner import RefinerTask


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_idx_folder(tmp_path_factory.mktemp("data"), toy_split(200), toy_split(60, seed=1))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def run(data: Path, base: Path, tmp_path_factory: pytest.TempPathFactory) -> RefinedContext:
    context = toy_refined_run(data, tmp_path_factory.mktemp("run"), toy_refined_values(base), checkpoint_seconds=1e9)
    run_refined(context)
    return context


def digests(bundle: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in bundle.iterdir()}


def test_a_run_that_was_stopped_ends_as_an_unbroken_one(
    run: RefinedContext, data: Path, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def go_on() -> None:
        run_refined(toy_refined_run(data, tmp_path, toy_refined_values(base), checkpoint_seconds=0))

    run_with_stops(go_on, (1, 4, 3), monkeypatch, tmp_path / "bundle")
    assert digests(tmp_path / "bundle") == digests(run.bundle_path)


def test_the_bundle_holds_the_base_as_it_is_and_the_refiner(run: RefinedContext, base: Path) -> None:
    loaded = load_any(run.bundle_path)
    assert isinstance(loaded, LoadedRefined)
    assert loaded.manifest.base.identity == run.base().manifest.identity
    found, before = digests(run.bundle_path), digests(base)
    for name in ("autoencoder.safetensors", "prior.safetensors"):
        assert found[name] == before[name]
    assert found.keys() == {
        "bundle.json", "autoencoder.safetensors", "prior.safetensors", "refiner.safetensors", "report.json",
        "samples.png", "reconstructions.png",
    }  # fmt: skip
    trained, untrained = loaded.refiner.state_dict(), run.new_refiner().state_dict()
    assert not torch.equal(trained["local.head.weight"], untrained["local.head.weight"])


def test_it_learns_from_what_the_base_makes_of_the_images(run: RefinedContext) -> None:
    stored = load_tensors(run.pictures_path)
    expected = reconstruct(run.base().autoencoder, run.dataset.train, 6, run.device)
    assert torch.equal(stored["train"], expected)
    task = RefinerTask(run)
    symbols, coarse = task._batch("train", torch.arange(12))
    torch.testing.assert_close(coarse, expected[:12].float() / 255)
    torch.testing.assert_close(symbols, (run.dataset.train.images[:12].float() / 255 * 7).round().long())
    cut, of_coarse = task.crops.cut(5, symbols, coarse)
    assert cut.shape == of_coarse.shape == (12, 1, 4, 4)
    for square, picture, whole, of_whole in zip(cut, of_coarse, symbols, coarse, strict=True):
        places = [(r, c) for r in range(5) for c in range(5) if torch.equal(whole[:, r : r + 4, c : c + 4], square)]
        assert any(torch.equal(of_whole[:, r : r + 4, c : c + 4], picture) for r, c in places)


def test_the_report_is_of_the_ladder_that_is_served(run: RefinedContext) -> None:
    report = HierarchicalReport.model_validate_json((run.bundle_path / "report.json").read_bytes())
    assert (report.kind, report.model) == ("refined", "toy-refined")
    assert [rung.codes for rung in report.ladder.rungs] == rungs(6, 64) == [0, 1, 2, 4, 6, 14, 22, 38, 70]
    pixels, codes = report.likelihood.grids
    assert (pixels.name, codes.name) == ("pixels", "codes of the ordered model")
    assert report.likelihood.joint.value == pytest.approx(pixels.per_dimension.value + codes.per_dimension.value)
    assert codes.per_dimension.value == pytest.approx(codes.per_symbol.value * 6 / 64)
    assert {claim.name for claim in report.claims} == {"drawing_helps", "codes_help", "labels_tell"}
    assert report.samples.drawn.count == 12
    manifest = load_any(run.bundle_path).manifest
    assert len(manifest.quality_curve) == 71


def test_a_refiner_that_knows_nothing_needs_all_bits(run: RefinedContext) -> None:
    subject = RefinedSubject(run)
    for parameter in subject._refiner.local.head.parameters():
        nn.init.zeros_(parameter)
    pixels, _ = subject.likelihood(run.dataset.test.take(slice(8))).grids
    assert pixels.per_symbol.value == pytest.approx(3, abs=1e-5)


def test_another_base_in_the_same_place_is_noticed(data: Path, tmp_path: Path) -> None:
    base = write_tiny_bundle(tmp_path, "base")
    context = toy_refined_run(data, tmp_path / "run", toy_refined_values(base), checkpoint_seconds=1e9)
    run_refined(context)
    write_tiny_bundle(tmp_path, "base", seed=5)
    with pytest.raises(CheckpointError, match=r"is of another base than .*; start a new run"):
        context.pictures()


def test_a_base_that_does_not_fit_is_refused(data: Path, base: Path, tmp_path: Path) -> None:
    values = toy_refined_values(base)
    for change, said in (
        ({"base": str(tmp_path / "none")}, "base: .*not a bundle.*; give a bundle's folder, or the name of one that"),
        ({"labels": ["a", "b", "c"]}, "labels: the base, tiny@1, has .*, the recipe another"),
    ):
        with pytest.raises(RecipeError, match=said):
            run_refined(toy_refined_run(data, tmp_path / "run", values | change, checkpoint_seconds=1e9))


def test_the_base_must_have_seen_the_same_data(data: Path, tmp_path: Path) -> None:
    """What it was validated on would else be trained on."""
    values = toy_refined_values(write_base(tmp_path / "base", data))
    run_refined(toy_refined_run(data, tmp_path / "fits", values, 1e9))
    with pytest.raises(RecipeError, match=r"data: the base, tiny@1, has .*validation=60.*, the recipe another"):
        run_refined(toy_refined_run(data, tmp_path / "run", values | {"data": {"validation": 50}}, 1e9))
    other = write_idx_folder(tmp_path / "other", toy_split(190), toy_split(60, seed=1))
    with pytest.raises(RecipeError, match="--data: is not the data that the base, tiny@1, was trained on"):
        run_refined(toy_refined_run(other, tmp_path / "run", values, 1e9))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"stage": {"epochs": 1, "crop": 9}}, "stage.crop: 9 is larger than a picture of 8 x 8"),
        ({"media": {"type": "audio", "shape": [1, 16], "sample_rate": 8000}}, "media.type: a refiner draws images"),
        ({"labels": ["a", "a"]}, "labels must be distinct"),
    ],
)
def test_recipes_that_make_no_sense_are_refused(base: Path, change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        RefinedRecipe.model_validate(toy_refined_values(base) | change)


def test_bundle_show_says_what_it_is_made_of(run: RefinedContext) -> None:
    shown = CliRunner().invoke(app, ["bundle", "show", str(run.bundle_path)])
    assert shown.exit_code == 0, shown.output
    for part in ("toy-refined", "tiny@1", "6 of 8", "3 bits of each channel"):
        assert part in shown.output
    verified = CliRunner().invoke(app, ["bundle", "verify", str(run.bundle_path)])
    assert verified.exit_code == 0, verified.output
    assert json.loads((run.bundle_path / "bundle.json").read_text())["kind"] == "refined"
