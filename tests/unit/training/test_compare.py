"""Models side by side: when each picture is there, and what is judged of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from factories import LABELS, tiny_audio_manifest, tiny_manifest, tiny_networks
from refined import random_refined
from toy_data import toy_split, write_idx_folder
from toy_hierarchy import toy_hierarchy_run, toy_values
from toy_refined import toy_refined_run, toy_refined_values, write_base
from typer.testing import CliRunner

from anytime import app
from models.errors import AnytimeError
from models.runtime.executors import build_model
from models.runtime.protocol import SampleRequest
from training.compare.measure import Compared, Point, _middle, check_comparable, looked_at
from training.data.dataset import prepare
from training.data.sources import open_source
from training.evaluation.cut_short import pictures_at
from training.evaluation.intervals import Estimate
from training.hierarchical.pipeline import run_hierarchical
from training.refined.pipeline import run_refined
from training.refined.recipe import RefinedRecipe

NEAR = Estimate(value=1, low=0, high=2)


def point(codes: int, ms: float) -> Point:
    return Point(codes=codes, ms=ms, quickest=ms, slowest=ms, distance=NEAR, recognised=None)


def test_within_a_time_it_shows_the_picture_of_most_codes_that_is_ready() -> None:
    found = Compared(model="m@1", kind="refined", executor="native", points=(point(0, 1), point(4, 3), point(9, 2.5)))
    assert found.within(0.5) is None
    assert [each.codes for each in (found.within(1), found.within(2.6), found.within(9)) if each] == [0, 9, 9]


def test_pictures_are_looked_at_in_every_stage() -> None:
    assert looked_at(random_refined(1)) == [0, 1, 2, 3, 4, 6, 7, 15, 23, 39, 70]
    networks = tiny_networks(tiny_manifest(codes=20))
    assert looked_at(build_model(networks.autoencoder, networks.prior, 1)) == [0, 1, 2, 4, 5, 8, 10, 16, 20]


def test_what_is_cut_short_is_what_the_model_shows_then() -> None:
    """Also of more samples than it has slots."""
    model, counts = random_refined(2), [0, 3, 6, 20, 70]
    requests = [SampleRequest(4, sample, sample % 3) for sample in range(5)]
    found = pictures_at(model, requests, counts)
    for sample, request in enumerate(requests):
        model.begin(1, request)
        for count in counts:
            if more := count - model.position(1):
                model.step([1], more)
            shown = np.rint(model.decode([1]).media[0] * 255).astype(np.uint8)
            assert np.array_equal(found[count][sample].numpy(), shown)
        model.release(1)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ordered model, a refined one of it and a hierarchy of larger pictures, hardly trained."""
    folder = tmp_path_factory.mktemp("compared")
    data = write_idx_folder(folder / "data", toy_split(200), toy_split(60, seed=1))
    base = write_base(folder / "ordered", data)
    run_refined(toy_refined_run(data, folder / "refined", toy_refined_values(base), 1e9))
    values = toy_values() | {"labels": list(LABELS), "media": {"type": "image", "shape": [1, 12, 12]}}
    values["data"] = {**values["data"], "pad": 2}
    run_hierarchical(toy_hierarchy_run(data, folder / "hierarchy", 1e9, values))
    return folder


def test_models_of_all_kinds_are_compared(world: Path) -> None:
    bundles = [str(world / name) for name in ("ordered", "refined/bundle", "hierarchy/bundle")]
    common = ["--data", str(world / "data"), "--out", str(world / "out"), "--samples", "12", "--timed", "2"]
    made = CliRunner().invoke(app, ["compare", *bundles, *common, "--cache", str(world / "cache")])
    assert made.exit_code == 0, made.output
    facts = json.loads((world / "out" / "compare.json").read_text())
    assert (facts["samples"], facts["test_images"], facts["timed"]) == (12, 60, 2)
    found = {each["kind"]: each for each in facts["models"]}
    assert found.keys() == {"ordered-vqvae", "refined", "hierarchical"}
    for each in found.values():
        assert all(part["quickest"] <= part["ms"] <= part["slowest"] for part in each["points"])
        assert all(part["distance"]["value"] >= 0 for part in each["points"])
    assert [part["codes"] for part in found["refined"]["points"]][-1] == 6 + 64
    assert [part["codes"] for part in found["hierarchical"]["points"]][-1] == 9 + 36 + 144
    assert (world / "out" / "compare.png").read_bytes().startswith(b"\x89PNG")
    for reference in ("tiny@1", "toy-refined@1", "toy-hierarchy@1"):
        assert reference in made.output


def test_until_pixels_are_drawn_a_refined_model_is_as_far_as_its_base(world: Path) -> None:
    """The same seeds, the same codes, the same pictures: so the same distances, by either's points."""
    models = {each["kind"]: each for each in json.loads((world / "out" / "compare.json").read_text())["models"]}
    by_codes = [
        {part["codes"]: part["distance"]["value"] for part in models[kind]["points"]}
        for kind in ("ordered-vqvae", "refined")
    ]
    assert models["refined"]["executor"].startswith(models["ordered-vqvae"]["executor"])
    for count in (1, 4, 6):
        assert by_codes[0][count] == pytest.approx(by_codes[1][count], rel=1e-6)


def test_a_model_of_other_labels_is_refused(world: Path, tiny_bundle: Path) -> None:
    content = json.loads((tiny_bundle / "bundle.json").read_text())
    other = world / "other"
    other.mkdir()
    for file in tiny_bundle.iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    (other / "bundle.json").write_text(json.dumps(content | {"labels": ["a", "b", "c"]}))
    bundles = [str(world / "ordered"), str(other)]
    common = ["--data", str(world / "data"), "--out", str(world / "out"), "--cache", str(world / "cache")]
    refused = CliRunner().invoke(app, ["compare", *bundles, *common])
    assert "tiny@1: has the labels a, b, c; what it is compared on, circle, square, star" in str(refused.exception)


def test_the_middle_of_larger_pictures_is_judged() -> None:
    images = torch.arange(2 * 36).view(2, 1, 6, 6)
    assert torch.equal(_middle(images, 4, 2), images[:, :, 1:5, 2:4])


def test_models_of_sound_are_refused(world: Path) -> None:
    recipe = RefinedRecipe.model_validate(toy_refined_values(world / "ordered"))
    dataset = prepare(open_source(str(world / "data")), recipe, world / "cache")
    with pytest.raises(AnytimeError, match=r"clips@1: makes audio of \[1, 1600\], compared on images of \[1, 8, 8\]"):
        check_comparable(tiny_audio_manifest(), dataset)
