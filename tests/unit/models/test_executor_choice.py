"""Which executor computes: what was asked for, or what the bundle says is good enough and can be had here."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from factories import PRIORS, tiny_manifest, tiny_networks, write_tiny_bundle
from toy_hierarchy import toy_values

from models.bundle.manifest import EIGHT_BIT_LIMIT, EIGHT_BIT_REVISION, EightBitCheck, EightBitDistance, Manifest
from models.bundle.writer import record_eight_bit
from models.errors import DeviceError
from models.native import library
from models.runtime import load_model
from models.runtime.choice import choose
from models.runtime.executors import build_model
from models.runtime.ordered import OrderedModel
from models.runtime.protocol import SampleRequest
from training.hierarchical.recipe import HierarchicalRecipe
from training.random_bundle import write_random_bundle

NETWORKS = tiny_networks()


def checked(*distances: tuple[float, float], revision: int = EIGHT_BIT_REVISION) -> EightBitCheck:
    """What a bundle says: distances in full precision and with eight bits, from ever more codes."""
    fractions = tuple(
        EightBitDistance(codes=n, full_precision=full, eight_bit=eight) for n, (full, eight) in enumerate(distances, 1)
    )
    return EightBitCheck(revision=revision, samples=100, distance="FD (toy)", agreement=0.9, fractions=fractions)


PASSED = checked((50, 50.4), (20, 19.9))
FAILED = checked((50, 50.4), (20, 20.5))
OUTDATED = checked((50, 50.4), (20, 19.9), revision=EIGHT_BIT_REVISION + 1)


def test_it_passes_where_no_distance_is_more_than_two_percent_above_that_of_full_precision() -> None:
    assert EIGHT_BIT_LIMIT == 1.02
    assert PASSED.passed
    assert checked((100, 102)).passed
    assert not checked((100, 102.01)).passed
    assert not FAILED.passed
    assert OUTDATED.outdated
    assert not OUTDATED.passed
    assert [each.ratio for each in FAILED.fractions] == pytest.approx([1.008, 1.025])
    # Of real data itself: what full precision reaches exactly, eight bits must, too.
    assert checked((0, 0)).passed
    assert not checked((0, 1e-3)).passed


@pytest.mark.parametrize(
    ("wanted", "check", "chosen"),
    [
        ("auto", None, "native"),
        ("auto", PASSED, "native-int8"),
        ("auto", FAILED, "native"),
        ("auto", OUTDATED, "native"),
        ("native", PASSED, "native"),
        ("native-int8", None, "native-int8"),
        ("native-int8", FAILED, "native-int8"),
        ("reference", PASSED, "reference"),
        ("null", PASSED, "null"),
    ],
)
def test_on_a_cpu_with_the_native_one_built(wanted: str, check: EightBitCheck | None, chosen: str) -> None:
    assert choose(NETWORKS.prior.config.kind, NETWORKS.prior.device.type, wanted, check) == chosen
    assert build_model(NETWORKS.autoencoder, NETWORKS.prior, 2, wanted, check).executor.name == chosen


@pytest.mark.parametrize("check", [None, PASSED, FAILED])
def test_without_the_native_one_auto_is_the_reference(
    check: EightBitCheck | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tiny_networks(tiny_manifest(prior=PRIORS["lstm"]))
    assert choose(other.prior.config.kind, other.prior.device.type, "auto", check) == "reference"
    with pytest.raises(DeviceError, match="it is for Transformers"):
        choose(other.prior.config.kind, other.prior.device.type, "native-int8", check)
    monkeypatch.setattr(library, "kernels", lambda: None)
    assert choose(NETWORKS.prior.config.kind, NETWORKS.prior.device.type, "auto", check) == "reference"
    assert build_model(NETWORKS.autoencoder, NETWORKS.prior, 2, "auto", check).executor.name == "reference"
    for wanted in ("native", "native-int8"):
        with pytest.raises(DeviceError, match="not built"):
            choose(NETWORKS.prior.config.kind, NETWORKS.prior.device.type, wanted, check)


@pytest.mark.parametrize(("check", "chosen"), [(None, "native"), (PASSED, "native-int8"), (FAILED, "native")])
def test_a_bundle_is_loaded_with_what_it_says_and_the_choice_is_logged(
    check: EightBitCheck | None, chosen: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bundle = write_tiny_bundle(tmp_path)
    if check is not None:
        record_eight_bit(bundle, check)
    with caplog.at_level(logging.INFO):
        manifest, model = load_model(bundle, "cpu", slots=2)
    assert isinstance(manifest, Manifest)
    assert manifest.eight_bit == check
    assert isinstance(model, OrderedModel)
    assert model.executor.name == chosen
    assert caplog.messages == [f"tiny: executor {chosen}"]


def test_with_eight_bits_a_shorter_answer_is_a_prefix_of_a_longer_one(tmp_path: Path) -> None:
    """The promise within an executor, for the one that auto takes now; beside others, and gone on with."""
    bundle = write_tiny_bundle(tmp_path)
    record_eight_bit(bundle, PASSED)
    _, model = load_model(bundle, "cpu", slots=4)
    requests = [SampleRequest(seed, label=seed % 3) for seed in range(4)]
    for slot, request in enumerate(requests):
        model.begin(slot, request)
    model.step([0, 1, 2, 3], codes=2)
    short = model.decode([0, 1, 2, 3]).codes
    model.step([3, 1], codes=4)
    model.step([0], codes=4)
    long = model.decode([0, 1, 3]).codes
    assert [each[:2] for each in long] == [short[slot] for slot in (0, 1, 3)]
    for slot in range(4):
        model.release(slot)
    for slot, whole in zip((0, 1, 3), long, strict=True):
        model.begin(0, SampleRequest(slot, label=slot % 3, codes=tuple(short[slot])))
        model.step([0], codes=4)
        assert model.decode([0]).codes == [whole]
        model.release(0)


@pytest.mark.parametrize(
    ("wanted", "level", "has"),
    [
        ("auto", "INFO", "native"),
        ("native", "INFO", "native"),
        ("native-int8", "WARNING", "native"),
        ("reference", "INFO", "reference"),
    ],
)
def test_hierarchies_are_computed_in_full_precision_whatever_the_others_beside_them_are(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, wanted: str, level: str, has: str
) -> None:
    write_random_bundle(tmp_path / "toy", HierarchicalRecipe.model_validate(toy_values()), 0)
    with caplog.at_level(logging.INFO, "models.runtime"):
        manifest, model = load_model(tmp_path / "toy", slots=1, executor=wanted)
    assert model.total_codes == manifest.codes
    (said,) = caplog.records
    assert said.levelname == level
    assert f"executor {has}" in said.message
