"""The native executor against the reference, and each instruction set of this machine against the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from factories import PRIORS, tiny_manifest, tiny_networks
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.autoencoder import OrderedVQVAE
from models.bundle.manifest import Manifest
from models.bundle.networks import Networks, load_networks
from models.bundle.reader import find_bundles, read_any_manifest
from models.config import AutoencoderConfig, Media, TransformerConfig
from models.errors import DeviceError
from models.native import library
from models.native.library import INSTRUCTION_SETS, Kernels
from models.prior import TransformerPrior
from models.runtime.choice import available
from models.runtime.executors import build_model
from models.runtime.native import NativeExecutor
from models.runtime.ordered import OrderedModel
from models.runtime.protocol import SampleRequest
from models.runtime.weights import Parameters
from service.settings import PRETRAINED

SLOTS = 13
HERE = [name for name in INSTRUCTION_SETS if library.kernels(name) is not None]


def kernels_of(name: str) -> Kernels:
    found = library.kernels(name)
    assert found is not None
    return found


def native(networks: Networks, instructions: str, slots: int = SLOTS, *, eight_bit: bool = False) -> OrderedModel:
    assert isinstance(networks.prior, TransformerPrior)
    kernels = kernels_of(instructions)
    parameters = Parameters.of_networks(networks.autoencoder, networks.prior)
    executor = NativeExecutor(parameters, slots, kernels, eight_bit=eight_bit)
    return OrderedModel(parameters.vocabulary, executor)


def networks_of(prior: TransformerConfig, autoencoder: AutoencoderConfig, media: Media, *, half: bool) -> Networks:
    manifest = tiny_manifest()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        networks = Networks(
            manifest,
            OrderedVQVAE(autoencoder, media),
            TransformerPrior(prior, autoencoder.codes, autoencoder.codebook, labels=3),
        )
    for module in (networks.autoencoder, networks.prior):
        module.eval().requires_grad_(False)
        if half:
            for parameter in module.parameters():
                parameter.copy_(parameter.half())
    return networks


def drawn(model: OrderedModel, rows: Sequence[Sequence[int]]) -> list[list[int]]:
    """The codes of SLOTS requests, their slots stepped in these groups."""
    for slot in range(SLOTS):
        model.begin(slot, SampleRequest(slot, label=slot % 3, top_k=slot % 4, top_p=0.8 if slot % 3 else 1.0))
    for _ in range(model.total_codes):
        for row in rows:
            model.step(row)
    codes = model.codes(range(SLOTS))
    for slot in range(SLOTS):
        model.release(slot)
    return codes


def test_it_was_built_here_and_is_what_runs_on_a_cpu() -> None:
    assert "portable" in HERE
    networks = tiny_networks()
    assert build_model(networks.autoencoder, networks.prior, 2).executor.name == "native"
    assert build_model(networks.autoencoder, networks.prior, 2, "reference").executor.name == "reference"


def test_without_it_the_reference_runs_and_who_asked_for_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "kernels", lambda: None)
    networks = tiny_networks()
    assert build_model(networks.autoencoder, networks.prior, 2).executor.name == "reference"
    with pytest.raises(DeviceError, match="needs a C\\+\\+ compiler"):
        build_model(networks.autoencoder, networks.prior, 2, "native")


@pytest.mark.parametrize("kind", ["lstm", "pixelcnn"])
def test_it_is_for_transformers_only_and_others_run_by_the_reference(kind: str) -> None:
    networks = tiny_networks(tiny_manifest(prior=PRIORS[kind]))
    assert available(networks.prior.config.kind, networks.prior.device.type) == ("reference",)
    assert build_model(networks.autoencoder, networks.prior, 2).executor.name == "reference"
    with pytest.raises(DeviceError, match=f"it is for Transformers, and this model's prior is of kind {kind}"):
        build_model(networks.autoencoder, networks.prior, 2, "native")


def test_an_instruction_set_that_is_not_there_has_no_functions() -> None:
    assert library.kernels("of another machine") is None


SIZES = pytest.mark.parametrize(
    ("width", "heads", "feed_forward", "codebook"), [(16, 2, 32, 8), (48, 3, 100, 130), (20, 5, 7, 3)]
)


def both_logits(networks: Networks, model: OrderedModel) -> tuple[torch.Tensor, torch.Tensor]:
    """The logits (SLOTS, K, C) from which a model has drawn, and those of the full pass over what it drew."""
    executor = model.executor
    assert isinstance(executor, NativeExecutor)
    labels = [slot % 4 for slot in range(SLOTS)]
    for slot, label in enumerate(labels):
        model.begin(slot, SampleRequest(slot, label=None if label == 3 else label))
    seen = []
    for _ in range(model.total_codes):
        model.step(range(SLOTS))
        seen.append([executor.logits(row) for row in range(SLOTS)])
    logits = torch.from_numpy(np.stack(seen, axis=1))
    return logits, networks.prior(torch.tensor(model.codes(range(SLOTS))), torch.tensor(labels))


def sized(width: int, heads: int, feed_forward: int, codebook: int, *, half: bool) -> Networks:
    prior = TransformerConfig(layers=2, width=width, feed_forward=feed_forward, heads=heads)
    autoencoder = AutoencoderConfig(codes=9, codebook=codebook, filters=(3,), strides=(1,), widths=())
    return networks_of(prior, autoencoder, Media(type="image", shape=(1, 3, 3)), half=half)


@pytest.mark.parametrize("instructions", HERE)
@pytest.mark.parametrize("half", [True, False])
@SIZES
def test_logits_are_those_of_the_full_pass(
    instructions: str, half: bool, width: int, heads: int, feed_forward: int, codebook: int
) -> None:
    networks = sized(width, heads, feed_forward, codebook, half=half)
    logits, expected = both_logits(networks, native(networks, instructions))
    assert torch.allclose(logits, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("instructions", HERE)
@SIZES
def test_in_eight_bits_they_are_near(
    instructions: str, width: int, heads: int, feed_forward: int, codebook: int
) -> None:
    networks = sized(width, heads, feed_forward, codebook, half=False)
    logits, expected = both_logits(networks, native(networks, instructions, eight_bit=True))
    error = (logits - expected).std() / expected.std()
    assert 1e-4 < error < 0.03


@pytest.mark.parametrize("eight_bit", [False, True])
@pytest.mark.parametrize("instructions", HERE)
@settings(max_examples=100, deadline=None)
@given(groups=st.permutations(range(SLOTS)), cuts=st.sets(st.integers(1, SLOTS - 1)))
def test_a_row_is_bit_for_bit_the_same_whoever_goes_with_it(
    instructions: str, eight_bit: bool, groups: list[int], cuts: set[int]
) -> None:
    networks = tiny_networks()
    model = native(networks, instructions, eight_bit=eight_bit)
    executor = model.executor
    assert isinstance(executor, NativeExecutor)
    alone = native(networks, instructions, slots=1, eight_bit=eight_bit)
    assert isinstance(alone.executor, NativeExecutor)
    borders = [0, *sorted(cuts), SLOTS]
    for slot in range(SLOTS):
        model.begin(slot, SampleRequest(slot, label=slot % 3))
    for start, end in pairwise(borders):
        rows = groups[start:end]
        model.step(rows, 3)
        for place, slot in enumerate(rows):
            alone.begin(0, SampleRequest(slot, label=slot % 3))
            alone.step([0], 3)
            assert np.array_equal(alone.executor.logits(0), executor.logits(place))
            assert np.array_equal(alone.decode([0]).media, model.decode([*rows[:place], slot]).media[-1:])
            alone.release(0)


@pytest.mark.parametrize("eight_bit", [False, True])
def test_machines_that_can_fuse_compute_the_same_bits(eight_bit: bool) -> None:
    fused = [name for name in HERE if name != "portable"]
    networks = load_networks(PRETRAINED / "fashion-mnist")
    pictures = []
    for name in fused:
        model = native(networks, name, eight_bit=eight_bit)
        for slot in range(SLOTS):
            model.begin(slot, SampleRequest(slot, label=slot % 10))
        model.step(range(SLOTS), model.total_codes)
        pictures.append(model.decode(range(SLOTS)))
    assert all(each.codes == pictures[0].codes for each in pictures)
    assert all(np.array_equal(each.media, pictures[0].media) for each in pictures)


@pytest.mark.parametrize("instructions", HERE)
def test_codes_are_the_references_whatever_narrows_the_choice(instructions: str) -> None:
    networks = tiny_networks()
    reference = build_model(networks.autoencoder, networks.prior, SLOTS, "reference")
    everybody = [range(SLOTS)]
    one_by_one = [[slot] for slot in range(SLOTS)]
    assert drawn(native(networks, instructions), everybody) == drawn(reference, everybody)
    assert drawn(native(networks, instructions), one_by_one) == drawn(reference, everybody)


class Shape(NamedTuple):
    """Of an autoencoder, with what else it is made with."""

    media: Media
    filters: tuple[int, ...]
    strides: tuple[int, ...]
    widths: tuple[int, ...]
    how: Mapping[str, Any] = MappingProxyType({})


DECODERS = pytest.mark.parametrize(
    "shape",
    [
        Shape(Media(type="image", shape=(3, 8, 12)), (4, 4, 3), (2, 2, 1), (5, 40)),
        Shape(Media(type="image", shape=(1, 6, 6)), (5, 3), (3, 1), (70,), {"missing": "learned"}),
        Shape(Media(type="image", shape=(5, 7, 7)), (3,), (1,), ()),
        Shape(Media(type="image", shape=(3, 2, 14)), (4, 3), (2, 1), (9,), {"quantisation": "spatial", "depth": 5}),
        Shape(Media(type="audio", shape=(1, 96), sample_rate=8000), (9, 8, 4), (2, 4, 2), (16, 20)),
        Shape(Media(type="audio", shape=(6, 30), sample_rate=8000), (5, 3), (3, 1), (33,), {"missing": "learned"}),
        Shape(
            Media(type="audio", shape=(1, 28), sample_rate=8000),
            (5, 3),
            (4, 1),
            (8,),
            {"quantisation": "spatial", "depth": 12, "missing": "learned"},
        ),
    ],
)


def decoder_of(shape: Shape, *, half: bool) -> Networks:
    prior = TransformerConfig(layers=1, width=8, feed_forward=8, heads=2)
    autoencoder = AutoencoderConfig(
        codes=7, codebook=11, filters=shape.filters, strides=shape.strides, widths=shape.widths, **shape.how
    )
    networks = networks_of(prior, autoencoder, shape.media, half=half)
    torch.nn.init.normal_(networks.autoencoder.quantiser.codebook, std=3.0)
    if autoencoder.missing == "learned":
        torch.nn.init.normal_(networks.autoencoder.get_parameter("missing"))
    return networks


def both_media(networks: Networks, model: OrderedModel) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What the model and the reference make of codes of every length."""
    for slot in range(SLOTS):
        model.begin(slot, SampleRequest(slot, codes=tuple(range(slot % 8))))
    decoded = model.decode(range(SLOTS))
    lengths = torch.tensor([slot % 8 for slot in range(SLOTS)])
    codes = torch.tensor([each + [0] * (7 - len(each)) for each in decoded.codes])
    return decoded.media, networks.autoencoder.decode_codes(codes, lengths).numpy()


@pytest.mark.parametrize("instructions", HERE)
@pytest.mark.parametrize("half", [True, False])
@DECODERS
def test_media_are_those_of_the_reference_at_every_length(instructions: str, half: bool, shape: Shape) -> None:
    networks = decoder_of(shape, half=half)
    decoded, expected = both_media(networks, native(networks, instructions))
    assert expected.std() > 0.01
    assert np.allclose(decoded, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("instructions", HERE)
@DECODERS
def test_in_eight_bits_media_are_near(instructions: str, shape: Shape) -> None:
    networks = decoder_of(shape, half=False)
    decoded, expected = both_media(networks, native(networks, instructions, eight_bit=True))
    error = np.sqrt(np.square(decoded - expected).mean()) / expected.std()
    assert error < 0.03
    only_a_narrow_layer = not shape.widths and shape.media.shape[0] <= 4  # which keeps its precision
    assert (error == 0) == only_a_narrow_layer


def test_the_shipped_bundles_come_out_as_by_the_reference() -> None:
    bundles = [each for each in find_bundles(Path(PRETRAINED)) if isinstance(read_any_manifest(each), Manifest)]
    assert bundles
    for bundle in bundles:
        networks = load_networks(bundle)
        models = [build_model(networks.autoencoder, networks.prior, SLOTS, name) for name in ("native", "reference")]
        pictures = []
        for model in models:
            for slot in range(SLOTS):
                model.begin(slot, SampleRequest(slot, **networks.manifest.sampling.model_dump()))
            model.step(range(SLOTS), model.total_codes)
            pictures.append(model.decode(range(SLOTS)))
        assert pictures[0].codes == pictures[1].codes
        assert np.allclose(pictures[0].media, pictures[1].media, atol=1e-5, rtol=0)


def test_in_eight_bits_the_shipped_bundle_draws_nearly_the_same_codes() -> None:
    networks = load_networks(PRETRAINED / "fashion-mnist")
    drawn_by = []
    for name in ("native", "native-int8"):
        model = build_model(networks.autoencoder, networks.prior, 100, name)
        for slot in range(100):
            model.begin(slot, SampleRequest(slot, slot, slot % 10, **networks.manifest.sampling.model_dump()))
        model.step(range(100), model.total_codes)
        drawn_by.append(np.array(model.codes(range(100))))
    same = drawn_by[0] == drawn_by[1]
    assert same[:, 0].mean() > 0.95
    assert 0.8 < same.mean() < 1


def test_weights_that_fit_are_kept_in_half_precision() -> None:
    prior = TransformerConfig(layers=1, width=64, feed_forward=64, heads=2)
    autoencoder = AutoencoderConfig(codes=2, codebook=64, filters=(3,), strides=(1,), widths=())
    sizes = []
    for half in (True, False):
        networks = networks_of(prior, autoencoder, Media(type="image", shape=(1, 4, 4)), half=half)
        assert isinstance(networks.prior, TransformerPrior)
        for eight_bit in (False, True):
            kernels = kernels_of(HERE[0])
            parameters = Parameters.of_networks(networks.autoencoder, networks.prior)
            executor = NativeExecutor(parameters, 1, kernels, eight_bit=eight_bit)
            sizes.append(executor.weight_bytes)
    numbers = 64 * (3 * 64 + 64 + 64 + 64 + 64)
    in_half = (2 if HERE[0] != "portable" else 4) * numbers
    assert sizes == [in_half, numbers, 4 * numbers, numbers]
