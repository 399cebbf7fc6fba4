"""What ships: whole, loadable, with a report whose claims hold, and good enough with eight bits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from models.bundle.networks import load_networks
from models.bundle.reader import find_bundles
from training.evaluation.provenance import recipe_of
from training.recipe import load_recipe

PRETRAINED = Path(__file__).parents[2] / "models" / "pretrained"


@pytest.mark.parametrize("bundle", find_bundles(PRETRAINED), ids=lambda path: path.name)
def test_a_shipped_bundle_is_whole_and_its_claims_hold(bundle: Path) -> None:
    manifest = load_networks(bundle).manifest
    assert manifest.name == bundle.name
    # Read back, since fields that recipes have gained since then are at their defaults.
    assert recipe_of(manifest) == load_recipe(manifest.name)
    report = json.loads((bundle / "report.json").read_text())
    claims = {claim["name"]: claim for claim in report["claims"]}
    assert claims.keys() == {"error_falls", "below_pca", "recognised", "distance_falls"}
    assert all(claim["holds"] and claim["beyond_noise"] for claim in claims.values())
    assert len(claims["error_falls"]["values"]) == len(claims["below_pca"]["values"]) == manifest.codes
    assert report["quality_curve"] == pytest.approx(list(manifest.quality_curve))
    assert report["extractor"]["test_accuracy"]["value"] > 0.9
    assert manifest.eight_bit is not None
    assert manifest.eight_bit.passed
    assert manifest.eight_bit.samples >= 10_000
