"""The residual autoencoder against what its equations say, written out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from factories import PRIORS, RESIDUAL, tiny_manifest, tiny_networks
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from models.bundle.networks import load_networks
from models.bundle.writer import round_to_half, write_bundle
from models.config import Media, ResidualConfig
from models.native import library
from models.native.library import INSTRUCTION_SETS
from models.prior import TransformerPrior
from models.quantiser import Quantiser
from models.residual import Correction, ResidualAutoencoder
from models.runtime.choice import available
from models.runtime.executors import build_model
from models.runtime.native import NativeExecutor
from models.runtime.ordered import OrderedModel
from models.runtime.protocol import SampleRequest
from models.runtime.weights import Parameters

CODES, CODEBOOK = RESIDUAL.codes, RESIDUAL.codebook
SHAPE = (3, 4, 6)
IMAGE = Media(type="image", shape=SHAPE)
HERE = [name for name in INSTRUCTION_SETS if library.kernels(name) is not None]
CLIP = Media(type="audio", shape=(1, 40), sample_rate=8000)


def random_autoencoder(media: Media = IMAGE, config: ResidualConfig = RESIDUAL) -> ResidualAutoencoder:
    """One whose every part matters."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        autoencoder = ResidualAutoencoder(config, media)
        torch.nn.init.normal_(autoencoder.quantiser.codebook)
        for name, parameter in autoencoder.named_parameters():
            if "write" in name or name == "mean":  # the same for every state at first
                parameter.data += torch.randn_like(parameter) / 5
    return autoencoder.requires_grad_(False)


def samples(media: Media, count: int = 9) -> Tensor:
    low = -1.0 if media.type == "audio" else 0.0
    return torch.rand((count, *media.shape), generator=torch.Generator().manual_seed(1)) * (1 - low) + low


@pytest.mark.parametrize("media", [IMAGE, CLIP])
def test_each_code_is_the_entry_with_the_least_error_after_it(media: Media) -> None:
    autoencoder, x = random_autoencoder(media), samples(media)
    codes = autoencoder.encode_codes(x)
    assert codes.shape == (len(x), CODES)
    assert len(set(codes.flatten().tolist())) > 2
    for j in range(CODES):
        tried = []
        for entry in range(CODEBOOK):
            other = torch.cat([codes[:, :j], torch.full((len(x), CODES - j), entry)], dim=1)
            made = autoencoder.decode_vectors(autoencoder.quantiser.lookup(other), torch.full((len(x),), j + 1))
            tried.append((made - x).square().flatten(1).sum(1))
        errors = torch.stack(tried, dim=1)
        assert torch.allclose(errors.gather(1, codes[:, j, None])[:, 0], errors.min(1).values, rtol=1e-4)


@pytest.mark.parametrize("media", [IMAGE, CLIP])
def test_errors_are_those_of_what_is_read_off_after_each_code(media: Media) -> None:
    autoencoder, x = random_autoencoder(media), samples(media)
    vectors = autoencoder.quantiser.lookup(autoencoder.encode_codes(x))
    made = [autoencoder.decode_vectors(vectors, torch.full((len(x),), n)) for n in range(1, CODES + 1)]
    expected = torch.stack([(each - x).square().flatten(1).sum(1) for each in made], dim=1)
    assert torch.allclose(autoencoder.errors(x), expected, rtol=1e-4)


def test_a_correction_is_the_equation() -> None:
    autoencoder = random_autoencoder()
    correction = autoencoder.corrections[2]
    assert isinstance(correction, Correction)
    state, entry = torch.randn(7, RESIDUAL.width), torch.randn(7, RESIDUAL.depth)
    centred = state - state.mean(1, keepdim=True)
    seen = correction.read(centred / (centred.square().mean(1, keepdim=True) + 1e-5).sqrt()).relu()
    shifts, turns = correction.write(seen).split((RESIDUAL.width, RESIDUAL.depth**2), dim=1)
    turns = turns.reshape(7, RESIDUAL.depth, RESIDUAL.depth)
    expected = state + shifts
    expected += torch.stack([entry[i] @ turns[i] @ correction.directions for i in range(7)])
    assert torch.allclose(correction.apply_entry(correction(state), entry), expected, atol=1e-5)


@settings(max_examples=50, deadline=None)
@given(
    codes=st.lists(st.lists(st.integers(0, CODEBOOK - 1), min_size=CODES, max_size=CODES), min_size=2, max_size=5),
    length=st.integers(0, CODES),
)
def test_codes_beyond_the_prefix_change_nothing(codes: list[list[int]], length: int) -> None:
    autoencoder = random_autoencoder()
    rows = torch.tensor(codes)
    lengths = torch.tensor([length, *[CODES] * (len(rows) - 1)])
    scrambled = rows.clone()
    scrambled[0, length:] = (rows[0, length:] + 3) % CODEBOOK
    made, again = autoencoder.decode_codes(rows, lengths), autoencoder.decode_codes(scrambled, lengths)
    assert made.shape == (len(rows), *IMAGE.shape)
    assert torch.equal(made, again)
    assert made.min() >= 0
    assert made.max() <= 1
    alone = autoencoder.decode_codes(rows[:1], lengths[:1])
    assert torch.allclose(alone[0], made[0], atol=1e-5)


def test_no_code_at_all_is_the_mean() -> None:
    autoencoder = random_autoencoder()
    made = autoencoder.decode_codes(torch.zeros(2, CODES, dtype=torch.int64), torch.tensor([0, 0]))
    assert torch.equal(made[0].flatten(), autoencoder.mean.clamp(0, 1))


def test_the_first_codes_do_not_depend_on_how_many_follow() -> None:
    autoencoder, x = random_autoencoder(), samples(IMAGE)
    shorter = random_autoencoder(config=RESIDUAL.model_copy(update={"codes": 3}))
    shorter.load_state_dict({name: autoencoder.state_dict()[name] for name in shorter.state_dict()})
    assert torch.equal(shorter.encode_codes(x), autoencoder.encode_codes(x)[:, :3])


def test_every_weight_learns_from_the_error() -> None:
    autoencoder = random_autoencoder().requires_grad_(True)
    torch.autograd.backward(autoencoder.errors(samples(IMAGE, 64)).mean())
    for name, parameter in autoencoder.named_parameters():
        assert parameter.grad is not None, name
        # Before the first code there is nothing to be read of the state.
        assert parameter.grad.any() == (name != "corrections.0.read.weight"), name


def test_it_starts_from_the_mean_and_from_k_means_of_the_leading_components() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.rand((300, *IMAGE.shape), generator=generator) * torch.rand(IMAGE.shape, generator=generator)
    autoencoder = ResidualAutoencoder(RESIDUAL, IMAGE)
    autoencoder.initialise(x, torch.Generator().manual_seed(5))
    centred = x.flatten(1) - x.flatten(1).mean(0)
    leading = centred @ torch.linalg.svd(centred, full_matrices=False).Vh[: RESIDUAL.depth].T
    quantiser = Quantiser(CODEBOOK, RESIDUAL.depth)
    quantiser.initialise(leading, torch.Generator().manual_seed(5))
    assert torch.equal(autoencoder.encode_codes(x)[:, 0], quantiser.nearest(leading))
    errors = torch.cat([centred.square().sum(1, keepdim=True), autoencoder.errors(x)], dim=1).mean(0)
    assert (errors.diff() < 0).all()
    assert len(set(autoencoder.encode_codes(x).flatten().tolist())) == CODEBOOK


def test_fewer_samples_than_numbers_of_the_state_are_enough_to_start_from() -> None:
    autoencoder = ResidualAutoencoder(RESIDUAL, IMAGE)
    x = samples(IMAGE, CODEBOOK + 1)
    autoencoder.initialise(x, torch.Generator())
    assert torch.isfinite(autoencoder.errors(x)).all()
    with pytest.raises(ValueError, match="at least as many vectors"):
        autoencoder.initialise(x[: CODEBOOK - 1], torch.Generator())


@pytest.mark.parametrize("executor", ["native", "reference"])
@pytest.mark.parametrize("half", [True, False])
def test_executors_decode_what_it_decodes(executor: str, half: bool) -> None:
    networks = tiny_networks(tiny_manifest(shape=SHAPE, autoencoder=RESIDUAL))
    autoencoder = random_autoencoder()
    networks.autoencoder.load_state_dict(autoencoder.state_dict())
    if half:
        round_to_half(networks.autoencoder)
    model = build_model(networks.autoencoder, networks.prior, 7, executor)
    assert model.executor.name == executor
    for slot in range(7):
        model.begin(slot, SampleRequest(slot, codes=tuple(range(slot))))
    decoded = model.decode([3, 0, 6, 5])
    codes = torch.tensor([each + [0] * (CODES - len(each)) for each in decoded.codes])
    expected = networks.autoencoder.decode_codes(codes, torch.tensor([3, 0, 6, 5])).numpy()
    assert expected.std() > 0.01
    assert np.allclose(decoded.media, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("instructions", HERE)
@pytest.mark.parametrize(("eight_bit", "error"), [(False, 1e-6), (True, 0.05)])
@pytest.mark.parametrize(("depth", "width", "hidden"), [(3, 5, 4), (7, 33, 70), (16, 48, 16)])
def test_natively_a_sample_is_the_same_whoever_is_decoded_with_it(
    instructions: str, eight_bit: bool, error: float, depth: int, width: int, hidden: int
) -> None:
    """More samples than are decoded at once, of every length in any order, against the reference and each alone."""
    kind = ResidualConfig(kind="residual", codes=CODES, codebook=CODEBOOK, depth=depth, width=width, hidden=hidden)
    autoencoder, slots = random_autoencoder(IMAGE, kind), 101
    networks = tiny_networks(tiny_manifest(shape=SHAPE, autoencoder=kind))
    kernels = library.kernels(instructions)
    assert kernels is not None
    assert isinstance(networks.prior, TransformerPrior)
    parameters = Parameters.of_networks(autoencoder, networks.prior)
    model = OrderedModel(parameters.vocabulary, NativeExecutor(parameters, slots, kernels, eight_bit=eight_bit))
    lengths = [slot * 7 % (CODES + 1) for slot in range(slots)]
    for slot, length in enumerate(lengths):
        model.begin(slot, SampleRequest(slot, codes=tuple((slot + place) % CODEBOOK for place in range(length))))
    together = model.decode(range(slots))
    codes = torch.tensor([each + [0] * (CODES - len(each)) for each in together.codes])
    expected = autoencoder.decode_codes(codes, torch.tensor(lengths)).numpy()
    assert expected.std() > 0.01
    assert np.sqrt(np.square(together.media - expected).mean()) < error * expected.std()
    for slot in (0, 1, 50, 100):
        assert np.array_equal(model.decode([slot]).media[0], together.media[slot])


def test_the_prior_stays_native_and_draws_the_same_codes() -> None:
    networks = tiny_networks(tiny_manifest(autoencoder=RESIDUAL))
    assert available(networks.prior.config.kind, networks.prior.device.type) == ("reference", "native", "native-int8")
    assert build_model(networks.autoencoder, networks.prior, 2).executor.name == "native"
    drawn = []
    for name in ("native", "reference"):
        model = build_model(networks.autoencoder, networks.prior, 3, name)
        for slot in range(3):
            model.begin(slot, SampleRequest(slot, label=slot))
        model.step(range(3), CODES)
        drawn.append(model.codes(range(3)))
    assert drawn[0] == drawn[1]


def test_with_another_prior_it_runs_by_the_reference() -> None:
    networks = tiny_networks(tiny_manifest(autoencoder=RESIDUAL, prior=PRIORS["lstm"]))
    model = build_model(networks.autoencoder, networks.prior, 1)
    assert model.executor.name == "reference"
    model.begin(0, SampleRequest(0))
    model.step([0], CODES)
    assert model.decode([0]).media.shape == (1, 1, 8, 8)


def test_a_bundle_of_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    networks = tiny_networks(tiny_manifest(autoencoder=RESIDUAL))
    write_bundle(tmp_path / "b", networks.manifest, networks.autoencoder, networks.prior)
    loaded = load_networks(tmp_path / "b")
    assert loaded.manifest.autoencoder == RESIDUAL
    round_to_half(networks.autoencoder)
    x = samples(networks.manifest.media)
    assert torch.equal(loaded.autoencoder.encode_codes(x), networks.autoencoder.encode_codes(x))
