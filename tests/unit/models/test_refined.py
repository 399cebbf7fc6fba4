"""A refined model behind the interface that the service knows, and its bundle."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from factories import tiny_manifest, tiny_networks
from refined import CONFIG, random_refined, random_refiner, write_refined

from models.bundle.networks import LoadedRefined, load_any, load_hierarchy, load_networks
from models.bundle.reader import verify_any_bundle
from models.bundle.refined import RefinedManifest
from models.config import Media
from models.errors import BundleError
from models.hierarchical.naive import draw_naively
from models.hierarchical.residual import intensities
from models.refined.anytime import RefinedModel
from models.runtime import load_model
from models.runtime.executor import Draw
from models.runtime.executors import build_model
from models.runtime.protocol import SampleRequest
from models.runtime.randomness import code_uniforms

CODES, PLACES = 6, 64
REQUEST = SampleRequest(11, 3, 1, temperature=0.8)


def shown(model: RefinedModel, request: SampleRequest, codes: int) -> tuple[np.ndarray[Any, Any], list[int]]:
    """The picture after so many codes, and the codes."""
    model.begin(0, request)
    if more := codes - model.position(0):
        model.step([0], more)
    decoded = model.decode([0])
    model.release(0)
    model.check_integrity()
    return decoded.media[0], decoded.codes[0]


@pytest.fixture(scope="module")
def model() -> RefinedModel:
    return random_refined(2)


def test_until_its_codes_are_complete_it_shows_what_the_ordered_model_does(model: RefinedModel) -> None:
    networks = tiny_networks()
    ordered = build_model(networks.autoencoder, networks.prior, 2, "native")
    ordered.begin(1, REQUEST)
    for count in range(CODES + 1):
        picture, codes = shown(model, REQUEST, count)
        (expected,) = ordered.decode([1]).media
        assert np.array_equal(picture, expected)
        assert codes == ordered.codes([1])[0]
        if count < CODES:
            ordered.step([1])


def test_pixels_are_those_of_naive_sampling_given_the_picture(model: RefinedModel) -> None:
    """At the temperature of the request times that of the refiner, by the numbers that come after the codes'."""
    picture, _ = shown(model, REQUEST, CODES)
    complete, codes = shown(model, REQUEST, CODES + PLACES)
    media = tiny_manifest().media
    refiner = random_refiner(media).double()
    uniforms = code_uniforms(REQUEST.seed, REQUEST.sample, CODES + PLACES)[CODES:]
    how = Draw(0.8 * CONFIG.relative_temperature, 8, 1.0, uniforms)
    grid = CONFIG.pixels(media)
    expected = draw_naively(refiner.local, grid, refiner.condition(torch.from_numpy(picture).double()[None]), [how])
    assert torch.equal(torch.from_numpy(complete), intensities(expected[0], grid))
    assert codes[CODES:] == expected.flatten().tolist()


def test_what_is_not_drawn_yet_is_the_picture_of_the_codes(model: RefinedModel) -> None:
    before, _ = shown(model, REQUEST, CODES)
    complete, _ = shown(model, REQUEST, CODES + PLACES)
    for pixels in (1, 19, 63):
        partly, _ = shown(model, REQUEST, CODES + pixels)
        assert np.array_equal(partly.reshape(-1)[:pixels], complete.reshape(-1)[:pixels])
        assert np.array_equal(partly.reshape(-1)[pixels:], before.reshape(-1)[pixels:])
    assert not np.array_equal(before, complete)


@pytest.mark.parametrize("given", [2, CODES, CODES + 1, CODES + PLACES - 1, CODES + PLACES])
def test_codes_that_are_given_are_gone_on_from(model: RefinedModel, given: int) -> None:
    complete, codes = shown(model, REQUEST, CODES + PLACES)
    again = shown(model, replace(REQUEST, codes=tuple(codes[:given])), CODES + PLACES)
    assert np.array_equal(again[0], complete)
    assert again[1] == codes


@pytest.mark.parametrize(
    "codes", [(8,), (0,) * CODES + (8,), (0,) * CODES + (-1,), (0,) * (CODES + PLACES + 1)], ids=len
)
def test_codes_that_it_could_not_have_drawn_are_refused_and_nothing_is_held(
    model: RefinedModel, codes: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match="codes is out of range"):
        model.begin(0, replace(REQUEST, codes=codes))
    model.check_integrity()
    with pytest.raises(ValueError, match="is free"):
        model.position(0)


def test_a_slot_that_is_taken_is_refused(model: RefinedModel) -> None:
    model.begin(0, REQUEST)
    with pytest.raises(ValueError, match="taken"):
        model.begin(0, REQUEST)
    model.release(0)


def test_a_bundle_is_loaded_and_served_as_it_was_written(tmp_path: Path, model: RefinedModel) -> None:
    path = write_refined(tmp_path)
    manifest, loaded = load_model(path, slots=2, executor="full")
    assert isinstance(manifest, RefinedManifest)
    assert manifest.codes == CODES + PLACES
    assert manifest.code_values == (8,) * (CODES + PLACES)
    assert loaded.stages == (0, CODES, CODES + 1)
    networks = load_any(path)
    assert isinstance(networks, LoadedRefined)
    again = RefinedModel(build_model(networks.base.autoencoder, networks.base.prior, 2, "native"), networks.refiner)
    assert isinstance(loaded, RefinedModel)
    found, expected = (shown(each, REQUEST, CODES + PLACES) for each in (loaded, again))
    assert np.array_equal(found[0], expected[0])
    assert found[1] == expected[1]


def test_bundles_of_another_kind_are_refused(tmp_path: Path) -> None:
    path = write_refined(tmp_path)
    with pytest.raises(BundleError, match="kind: is a refined model, where an ordered one is needed"):
        load_networks(path)
    with pytest.raises(BundleError, match="kind: is refined, where a hierarchical model is needed"):
        load_hierarchy(path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"quality_curve": [0, 1]}, "quality_curve has 2 numbers, expected codes"),
        ({"files": {}}, "files does not list autoencoder.safetensors and prior.safetensors and refiner.safetensors"),
        ({"colour": "red"}, "colour: Extra inputs are not permitted"),
    ],
)
def test_a_damaged_bundle_says_what_is_wrong(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    path = write_refined(tmp_path)
    content = json.loads((path / "bundle.json").read_text())
    (path / "bundle.json").write_text(json.dumps({**content, **change}))
    with pytest.raises(BundleError, match=said):
        verify_any_bundle(path)


def test_a_refiner_is_of_images_and_needs_a_unit_for_each_channel() -> None:
    with pytest.raises(ValueError, match=r"media\.type: a refiner draws images, got 'audio'"):
        CONFIG.pixels(Media(type="audio", shape=(1, 1600), sample_rate=8000))
    narrow = CONFIG.model_copy(update={"local": CONFIG.local.model_copy(update={"hidden": 2})})
    with pytest.raises(ValueError, match=r"refiner\.local\.hidden: needs a unit for each of 3 channels"):
        narrow.pixels(Media(type="image", shape=(3, 8, 8)))
