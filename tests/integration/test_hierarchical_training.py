"""A hierarchical model from data to a bundle, interrupted and not; what was measured of it; what its bundle holds."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from stopped_after import run_with_stops
from torch import nn
from toy_data import toy_split, write_idx_folder
from toy_hierarchy import toy_hierarchy_run, toy_values

from models.bundle.hierarchical import HierarchicalManifest
from models.bundle.networks import load_hierarchy, load_networks
from models.bundle.reader import read_manifest, verify_any_bundle
from models.errors import BundleError
from models.hierarchical.sampling import sample_symbols
from training.hierarchical.context import HierarchicalContext
from training.hierarchical.drawing import draw_below
from training.hierarchical.likelihood import encode_all, likelihood
from training.hierarchical.neighbours import nearest
from training.hierarchical.pipeline import run_hierarchical, stages_of
from training.hierarchical.report import HierarchicalReport
from training.hierarchical.symbols import PictureSymbols
from training.state import ResumeError


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_idx_folder(tmp_path_factory.mktemp("data"), toy_split(200), toy_split(60, seed=1))


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> HierarchicalContext:
    context = toy_hierarchy_run(data, tmp_path_factory.mktemp("run"), checkpoint_seconds=1e9)
    run_hierarchical(context)
    return context


@pytest.fixture(scope="module")
def report(run: HierarchicalContext) -> HierarchicalReport:
    return HierarchicalReport.model_validate_json((run.bundle_path / "report.json").read_bytes())


def digests(bundle: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in bundle.iterdir()}


@pytest.mark.parametrize("saves", [(1, 4, 11), (7, 9, 5), (26,)])
def test_a_run_that_was_stopped_anywhere_ends_as_an_unbroken_one(
    run: HierarchicalContext, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, saves: tuple[int, ...]
) -> None:
    """After so many checkpoints each time, which are written after every step."""
    bundle = tmp_path / "bundle"
    run_with_stops(lambda: run_hierarchical(toy_hierarchy_run(data, tmp_path)), saves, monkeypatch, bundle)
    assert digests(tmp_path / "bundle") == digests(run.bundle_path)
    state = json.loads((tmp_path / "state.json").read_text())
    assert state["completed"] == [stage.name for stage in stages_of(run.recipe)]


def test_a_run_is_not_gone_on_with_by_another_recipe(run: HierarchicalContext, data: Path) -> None:
    values = toy_values()
    values["stages"]["prior"]["epochs"] = 7
    with pytest.raises(ResumeError, match=r"another recipe, stages\.prior\.epochs was 2 and is now 7"):
        run_hierarchical(toy_hierarchy_run(data, run.directory, values=values))


def test_the_bundle_holds_the_hierarchy_without_its_teacher(run: HierarchicalContext) -> None:
    manifest, loaded = load_hierarchy(run.bundle_path)
    assert isinstance(manifest, HierarchicalManifest)
    assert (manifest.hierarchy, manifest.labels) == (run.recipe.hierarchy, run.recipe.labels)
    assert manifest.training["recipe"]["name"] == "toy-hierarchy"
    assert set(manifest.files) == {
        "level-1.safetensors", "level-2.safetensors", "prior.safetensors", "report.json", "samples.png",
        "reconstructions.png",
    }  # fmt: skip
    assert not [name for name in load_file(run.bundle_path / "level-2.safetensors") if name.startswith("teacher")]
    labels = [0, 1, 2, None]
    expected = sample_symbols(run.hierarchy(), labels, 5, manifest.sampling)
    for found, grid in zip(sample_symbols(loaded, labels, 5, manifest.sampling), expected, strict=True):
        assert torch.equal(found, grid)


def test_bundles_of_one_kind_are_not_taken_for_the_other(run: HierarchicalContext, tiny_bundle: Path) -> None:
    with pytest.raises(BundleError, match="kind: is a hierarchical model, where an ordered one is needed"):
        load_networks(run.bundle_path)
    with pytest.raises(BundleError, match="kind: is ordered-vqvae, where a hierarchical model is needed"):
        load_hierarchy(tiny_bundle)
    assert verify_any_bundle(tiny_bundle) == read_manifest(tiny_bundle)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"files": {}}, "files does not list level-1.safetensors and level-2.safetensors and prior.safetensors"),
        ({"labels": ["a", "a"]}, "labels must be distinct"),
        (
            {"media": {"type": "image", "shape": [1, 8, 9], "sample_rate": None}},
            r"media: must be images of \[1, 8, 8\]",
        ),
        ({"colour": "red"}, "colour: Extra inputs are not permitted"),
    ],
)
def test_a_damaged_bundle_says_what_is_wrong(
    run: HierarchicalContext, tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    for file in run.bundle_path.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    content = json.loads((tmp_path / "bundle.json").read_text())
    (tmp_path / "bundle.json").write_text(json.dumps({**content, **changes}))
    with pytest.raises(BundleError, match=said):
        load_hierarchy(tmp_path)


def test_the_joint_is_the_sum_of_its_grids(report: HierarchicalReport) -> None:
    found = report.likelihood
    assert [grid.name for grid in found.grids] == ["pixels", "codes of level 1", "codes of level 2"]
    assert [grid.given for grid in found.grids] == ["codes of level 1", "codes of level 2", "the label"]
    assert found.joint.value == pytest.approx(sum(grid.per_dimension.value for grid in found.grids))
    for grid in found.grids:
        symbols = grid.channels * grid.height * grid.width
        assert grid.per_dimension.value == pytest.approx(grid.per_symbol.value * symbols / 64)


def test_a_model_that_knows_nothing_needs_all_bits(run: HierarchicalContext) -> None:
    hierarchy = run.hierarchy()
    for network in (*(level.local for level in hierarchy.levels), hierarchy.prior.network):
        for parameter in network.head.parameters():
            nn.init.zeros_(parameter)
    test = run.dataset.test.take(slice(8))
    grids = encode_all(hierarchy, PictureSymbols(test, run.recipe.hierarchy.pixels), run.device)
    found = likelihood(hierarchy, grids, test.labels, run.device)
    for grid in found.grids:
        assert grid.per_symbol.value == pytest.approx(grid.bits, abs=1e-5)
    assert found.joint.value == pytest.approx(3 * (64 + 32 + 4) / 64, abs=1e-5)


def test_what_is_drawn_below_samples_topmost_codes_is_the_sample(run: HierarchicalContext) -> None:
    """Reconstructions are drawn by the same numbers as samples: the prior's part aside, nothing differs."""
    hierarchy, sampling = run.hierarchy(), run.recipe.sampling
    whole = sample_symbols(hierarchy, [0, 1, 2], 9, sampling)
    below = draw_below(hierarchy, whole[-1], 9, sampling)
    for found, expected in zip(below, whole, strict=True):
        assert torch.equal(found, expected)
    others = draw_below(hierarchy, whole[-1], 9, sampling, first_sample=3)
    assert not torch.equal(others[0], whole[0])


def test_the_report_counts_what_the_recipe_asks_for(report: HierarchicalReport, run: HierarchicalContext) -> None:
    assert report.likelihood.images == report.real.reference_images == report.data.test_images == 40
    assert report.samples.drawn.count == report.samples.auxiliary.count == 12
    assert report.reconstructions.drawn.count == 9
    assert set(report.samples.drawn.recognition_by_label) == set(run.recipe.labels)
    recognised = report.samples.drawn.recognition
    assert recognised is not None
    assert recognised.hits == sum(each.hits for each in report.samples.drawn.recognition_by_label.values())
    assert [facts.entries for facts in report.codebooks] == [8, 8]
    assert all(1 <= perplexity <= 8 for facts in report.codebooks for perplexity in facts.perplexity)
    for name in ("samples.png", "samples-auxiliary.png", "reconstructions.png", "neighbours.png"):
        assert (run.evaluation_directory / name).read_bytes().startswith(b"\x89PNG")


def test_neighbours_are_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.hierarchical.neighbours.AT_ONCE", 7)
    queries, train = toy_split(5, seed=2).images, toy_split(40, seed=3).images
    found, rows = nearest(queries, train, 3)
    apart = (queries[:, None].double() - train[None].double()).flatten(2).norm(dim=2)
    expected = apart.topk(3, largest=False)
    torch.testing.assert_close(found.double(), expected.values, rtol=1e-4, atol=1e-2)
    assert torch.equal(apart.gather(1, rows), expected.values)
