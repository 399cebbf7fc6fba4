"""The quicker way to decode many prefixes gives what the networks give."""

from __future__ import annotations

import pytest
import torch
from factories import CONVOLUTIONAL, RESIDUAL, tiny_audio_manifest, tiny_manifest, tiny_networks
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from models.autoencoder import OrderedVQVAE
from models.config import AnyAutoencoderConfig, AutoencoderConfig
from training.evaluation.decoding import PhasedConvolution, decode_prefixes, laid_out

CPU = torch.device("cpu")
SPATIAL = AutoencoderConfig(
    codes=4, codebook=8, filters=(4, 4), strides=(2, 2), widths=(6,), quantisation="spatial", depth=3
)


@settings(deadline=None, max_examples=40)
@given(
    stride=st.integers(1, 3),
    longer=st.integers(0, 4),
    channels=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    size=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    bias=st.booleans(),
)
def test_phases_are_the_transposed_convolution(
    stride: int, longer: int, channels: tuple[int, int], size: tuple[int, int], bias: bool
) -> None:
    longer *= 1 + (stride == 1)  # with a stride of 1 only an even difference can be padded on both sides
    padding = (longer + 1) // 2
    layer = nn.ConvTranspose2d(*channels, stride + longer, stride, padding, 2 * padding - longer, bias=bias)
    x = torch.randn(2, channels[0], *size)
    with torch.inference_mode():
        expected = layer(x)
        assert expected.shape[2:] == (size[0] * stride, size[1] * stride)
        assert torch.allclose(PhasedConvolution(layer)(x), expected, atol=1e-5)


def test_a_stride_that_differs_by_direction_is_refused() -> None:
    with pytest.raises(ValueError, match="same stride and padding"):
        PhasedConvolution(nn.ConvTranspose2d(2, 1, 3, (1, 2)))


@pytest.mark.parametrize("config", [CONVOLUTIONAL, SPATIAL, RESIDUAL], ids=["channel", "spatial", "residual"])
def test_prefixes_are_those_of_the_networks(config: AnyAutoencoderConfig) -> None:
    original = tiny_networks(tiny_manifest(codes=config.codes, autoencoder=config)).autoencoder
    codes = torch.randint(8, (5, config.codes), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        decoded = list(decode_prefixes(laid_out(original, CPU), codes))
        assert len(decoded) == config.codes
        for length, samples in enumerate(decoded, 1):
            expected = original.decode_codes(codes, torch.full((5,), length))
            assert samples.shape == expected.shape
            assert torch.allclose(samples, expected, atol=1e-6)


def test_pictures_are_laid_out_and_the_original_stays_as_it_is() -> None:
    original = tiny_networks().autoencoder
    quick = laid_out(original, CPU)
    assert isinstance(original, OrderedVQVAE)
    assert isinstance(quick, OrderedVQVAE)
    assert any(isinstance(layer, PhasedConvolution) for layer in quick.decoder)
    assert not any(isinstance(layer, PhasedConvolution) for layer in original.decoder)
    assert all(weight.is_contiguous() for weight in original.decoder.parameters())


def test_elsewhere_it_is_the_autoencoder_itself() -> None:
    clips = tiny_networks(tiny_audio_manifest()).autoencoder
    corrections = tiny_networks(tiny_manifest(autoencoder=RESIDUAL)).autoencoder
    pictures = tiny_networks().autoencoder
    assert laid_out(clips, CPU) is clips
    assert laid_out(corrections, CPU) is corrections
    assert laid_out(pictures, torch.device("meta")) is pictures
