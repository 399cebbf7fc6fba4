from __future__ import annotations

import pytest
import torch
from factories import tiny_networks

from models.autoencoder import OrderedVQVAE
from models.config import AutoencoderConfig, Media
from models.quantiser import Quantiser
from models.truncation import prefix_mask, sample_lengths


def tiny() -> OrderedVQVAE:
    autoencoder = tiny_networks().autoencoder
    assert isinstance(autoencoder, OrderedVQVAE)
    return autoencoder


@pytest.fixture
def autoencoder() -> OrderedVQVAE:
    return tiny()


def test_each_code_is_the_nearest_codebook_entry_to_one_channel(autoencoder: OrderedVQVAE) -> None:
    x = torch.rand(3, 1, 8, 8)
    channels = autoencoder.encoder(x)  # (B, K, H, W): a channel is a code
    distances = torch.cdist(channels.flatten(2), autoencoder.quantiser.codebook)
    assert torch.equal(autoencoder.encode_codes(x), distances.argmin(-1))


def test_equation_6_by_hand(autoencoder: OrderedVQVAE) -> None:
    x, lengths, beta = torch.rand(4, 1, 8, 8), torch.tensor([1, 3, 6, 2]), 0.25
    z = autoencoder.encode(x)
    entries = autoencoder.quantiser.codebook[autoencoder.encode_codes(x)]
    expected = torch.zeros(3)
    for i, length in enumerate(lengths):
        kept = entries[i].clone()
        kept[length:] = 0
        picture = autoencoder.decoder(kept.reshape(1, 6, 4, 4))
        distance = (z[i, :length] - entries[i, :length]).square().sum()
        expected += torch.stack([(picture - x[i]).square().sum(), distance, beta * distance]) / len(x)
    losses = autoencoder.train_pass(x, lengths, beta).losses
    assert torch.allclose(torch.stack(list(losses)), expected, rtol=1e-4)
    assert losses.total == pytest.approx(expected.sum().item(), rel=1e-4)


def test_gradients_go_where_equation_5_sends_them() -> None:
    autoencoder = tiny().requires_grad_(True)
    x, full = torch.rand(4, 1, 8, 8), torch.full((4,), 6)
    encoder, codebook = autoencoder.encoder[0].get_parameter("weight"), autoencoder.quantiser.codebook

    def touched(term: torch.Tensor) -> tuple[bool, ...]:
        gradients = torch.autograd.grad(term, [encoder, codebook], allow_unused=True, retain_graph=True)
        return tuple(g is not None and bool(g.abs().sum() > 0) for g in gradients)

    losses = autoencoder.train_pass(x, full, 0.25).losses
    assert touched(losses.reconstruction) == (True, False)  # straight through to the encoder, past the codebook
    assert touched(losses.codebook) == (False, True)
    assert touched(losses.commitment) == (True, False)


def test_codes_beyond_the_prefix_change_nothing(autoencoder: OrderedVQVAE) -> None:
    codes = torch.randint(8, (7, 6))
    lengths = torch.arange(7)
    scrambled = torch.where(prefix_mask(lengths, 6), codes, torch.randint(8, (7, 6)))
    pictures = autoencoder.decode_codes(codes, lengths)
    assert pictures.shape == (7, 1, 8, 8)
    assert torch.equal(pictures, autoencoder.decode_codes(scrambled, lengths))
    assert pictures.min() >= 0
    assert pictures.max() <= 1


def test_every_length_is_drawn_the_full_one_included() -> None:
    lengths = sample_lengths(20_000, torch.ones(16), torch.Generator().manual_seed(0))
    counts = torch.bincount(lengths, minlength=17)
    assert counts[0] == 0
    assert (counts[1:] - 20_000 / 16).abs().max() < 6 * (20_000 / 16) ** 0.5


def test_audio_is_a_configuration() -> None:
    config = AutoencoderConfig(codes=5, codebook=8, filters=(25, 25, 3), strides=(4, 4, 1), widths=(4, 4))
    audio = OrderedVQVAE(config, Media(type="audio", shape=(1, 320), sample_rate=16000))
    clip = torch.rand(2, 1, 320) * 2 - 1
    codes = audio.encode_codes(clip)
    assert codes.shape == (2, 5)
    assert audio.encode(clip).shape == (2, 5, 20)
    assert audio.decode_codes(codes, torch.tensor([0, 5])).shape == clip.shape


def test_k_means_leaves_no_entry_unused() -> None:
    quantiser = Quantiser(12, 4)
    vectors = torch.randn(2000, 4, generator=torch.Generator().manual_seed(1))
    before = torch.cdist(vectors, quantiser.codebook).min(1).values.mean()
    quantiser.initialise(vectors, torch.Generator().manual_seed(0))
    assert len(torch.unique(quantiser.nearest(vectors))) == 12
    assert torch.cdist(vectors, quantiser.codebook).min(1).values.mean() < 0.7 * before
    with pytest.raises(ValueError, match="at least as many vectors"):
        quantiser.initialise(vectors[:5], torch.Generator())


def test_spatial_codes_are_the_places_of_the_feature_map() -> None:
    config = AutoencoderConfig(
        codes=16, codebook=8, filters=(4, 3), strides=(2, 1), widths=(8,), quantisation="spatial", depth=5
    )
    autoencoder = OrderedVQVAE(config, Media(type="image", shape=(1, 8, 8)))
    x = torch.rand(3, 1, 8, 8)
    places = autoencoder.encoder(x).permute(0, 2, 3, 1).reshape(3, 16, 5)
    codes = autoencoder.encode_codes(x)
    assert torch.equal(codes, torch.cdist(places, autoencoder.quantiser.codebook).argmin(-1))
    grid = autoencoder.quantiser.lookup(codes).reshape(3, 4, 4, 5).permute(0, 3, 1, 2)
    full = torch.full((3,), 16)
    assert torch.allclose(autoencoder.decode_codes(codes, full), autoencoder.decoder(grid).clamp(0, 1), atol=1e-6)


@pytest.mark.parametrize(("codes", "depth"), [(16, None), (15, 5)])
def test_spatial_quantisation_needs_a_depth_and_as_many_codes_as_places(codes: int, depth: int | None) -> None:
    with pytest.raises(ValueError, match=r"depth is for spatial|makes 16 codes of"):
        AutoencoderConfig(
            codes=codes, codebook=8, filters=(2,), strides=(2,), widths=(), quantisation="spatial", depth=depth
        ).grid(Media(type="image", shape=(1, 8, 8)))


def test_learned_vectors_stand_in_for_codes_that_are_not_there() -> None:
    config = AutoencoderConfig(codes=6, codebook=8, filters=(4,), strides=(2,), widths=(), missing="learned")
    autoencoder = OrderedVQVAE(config, Media(type="image", shape=(1, 8, 8)))
    x, lengths = torch.rand(4, 1, 8, 8), torch.tensor([1, 2, 6, 6])
    torch.autograd.backward(autoencoder.train_pass(x, lengths, 0.25).losses.total)
    gradient = autoencoder.missing.grad
    assert gradient is not None
    assert not gradient[0].any()  # the first code is always there
    assert gradient[1:].any(1).all()
    torch.nn.init.normal_(autoencoder.get_parameter("missing"))
    vectors = torch.randn(1, 6, 16)
    mixed = torch.cat([vectors[:, :2], autoencoder.missing[None, 2:]], dim=1)
    expected = autoencoder.decoder(mixed.reshape(1, 6, 4, 4))
    assert torch.allclose(autoencoder.decode_vectors(vectors, torch.tensor([2])), expected)
