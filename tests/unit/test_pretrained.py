"""What ships: whole, loadable, with a report whose claims hold, and good enough with eight bits."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from models.bundle.manifest import Manifest
from models.bundle.networks import load_hierarchy, load_networks
from models.bundle.reader import find_bundles, read_any_manifest
from training.evaluation.provenance import recipe_of
from training.hierarchical.recipe import HierarchicalRecipe
from training.recipe import load_any_recipe, load_recipe, parse_as

PRETRAINED = Path(__file__).parents[2] / "models" / "pretrained"
BUNDLES = find_bundles(PRETRAINED)
ORDERED = [bundle for bundle in BUNDLES if isinstance(read_any_manifest(bundle), Manifest)]
HIERARCHICAL = [bundle for bundle in BUNDLES if bundle not in ORDERED]

# What a report says does not hold, or not beyond noise, of a bundle that ships all the same; docs/models.md says more.
FALLS_SHORT = {
    "emoji": {"error_falls", "recognised", "distance_falls"},
    "photos": {"error_falls", "distance_falls"},
    "speech": {"error_falls", "below_pca", "recognised", "difference_falls"},
}
USUAL_CLAIMS = {"error_falls", "below_pca", "recognised", "distance_falls"}
CLAIMS = {"photos": USUAL_CLAIMS - {"recognised"}, "speech": USUAL_CLAIMS | {"difference_falls"}}  # no classes; sounds


@pytest.mark.parametrize("bundle", ORDERED, ids=lambda path: path.name)
def test_a_shipped_bundle_is_whole_and_its_claims_hold(bundle: Path) -> None:
    manifest = load_networks(bundle).manifest
    assert manifest.name == bundle.name
    # Read back, since fields that recipes have gained since then are at their defaults; labels are those of the data.
    assert recipe_of(manifest) == load_recipe(manifest.name).model_copy(update={"labels": manifest.labels})
    assert manifest.training["data"]["licence"]
    report = json.loads((bundle / "report.json").read_text())
    claims = {claim["name"]: claim for claim in report["claims"]}
    assert claims.keys() == CLAIMS.get(manifest.name, USUAL_CLAIMS)
    short = {name for name, claim in claims.items() if not (claim["holds"] and claim["beyond_noise"])}
    assert short == FALLS_SHORT.get(manifest.name, set())
    assert len(claims["error_falls"]["values"]) == len(claims["below_pca"]["values"]) == manifest.codes
    assert report["quality_curve"] == pytest.approx(list(manifest.quality_curve))
    if "recognised" in claims:
        assert report["extractor"]["test_accuracy"]["value"] > 0.8
    assert manifest.eight_bit is not None
    assert manifest.eight_bit.passed
    assert manifest.eight_bit.samples >= 1_000


@pytest.mark.parametrize("bundle", HIERARCHICAL, ids=lambda path: path.name)
def test_a_shipped_hierarchy_is_whole_and_its_claims_hold(bundle: Path) -> None:
    manifest = load_hierarchy(bundle).manifest
    assert manifest.name == bundle.name
    recipe = parse_as(HierarchicalRecipe, manifest.training["recipe"], str(bundle))
    assert recipe == load_any_recipe(manifest.name).model_copy(update={"labels": manifest.labels})
    assert manifest.training["data"]["licence"]
    report = json.loads((bundle / "report.json").read_text())
    claims = {claim["name"]: claim for claim in report["claims"]}
    assert claims.keys() == {"drawing_helps", "codes_help", "labels_tell"}
    assert all(claim["holds"] and claim["beyond_noise"] for claim in claims.values())
    assert report["extractor"]["test_accuracy"]["value"] > 0.8
    assert report["samples"]["drawn"]["recognition"]["low"] > 0.8
    assert [rung["codes"] for rung in report["ladder"]["rungs"]][-1] == manifest.codes


def test_a_request_that_names_no_model_has_an_answer() -> None:
    aliases = tomllib.loads((PRETRAINED / "aliases.toml").read_text(encoding="utf-8"))
    assert aliases["default"] in {bundle.name for bundle in BUNDLES}
