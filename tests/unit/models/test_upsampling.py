"""The decoder that upsamples: what its layers compute, and that every executor takes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from factories import tiny_audio_manifest, tiny_manifest, tiny_networks
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from models.autoencoder import OrderedVQVAE
from models.bundle.manifest import Manifest
from models.bundle.networks import load_networks
from models.bundle.writer import write_bundle
from models.config import AutoencoderConfig, Media
from models.layers import DecoderLayer
from models.native import library
from models.networks import CONVOLUTION, UpsampledConvolution, build_decoder
from models.runtime.executors import build_model
from models.runtime.protocol import SampleRequest
from models.runtime.weights import merged

VCTK = Media(type="audio", shape=(1, 15360), sample_rate=16000)


def repeated_then_convolved(layer: UpsampledConvolution, x: Tensor, size: int, stride: int) -> Tensor:
    """What the layer stands for, done step by step."""
    rank = x.dim() - 2
    for axis in range(2, x.dim()):
        x = x.repeat_interleave(stride, axis)
    # An even filter has no middle; the decoder's layers look one further to the right.
    x = nn.functional.pad(x, (size - 1 - size // 2, size // 2) * rank)
    convolution = CONVOLUTION[rank](x.shape[1], layer.weight.shape[0], size)
    convolution.load_state_dict({"weight": layer.weight, "bias": layer.bias})
    y: Tensor = convolution(x)
    return y


@given(
    rank=st.sampled_from([1, 2]),
    size=st.integers(1, 7),
    stride=st.integers(2, 4),
    shape=st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 5), st.integers(1, 5)),
)
@settings(max_examples=25, deadline=None)
def test_a_layer_repeats_and_convolves(rank: int, size: int, stride: int, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    x = torch.randn(shape[: 2 + rank])
    layer = UpsampledConvolution(rank, DecoderLayer(shape[1], 2, size, stride, upsamples=True))
    expected = repeated_then_convolved(layer, x, size, stride)
    assert layer(x).shape == expected.shape == (shape[0], 2, *(edge * stride for edge in shape[2 : 2 + rank]))
    torch.testing.assert_close(layer(x), expected, rtol=1e-4, atol=1e-5)
    filters = layer.weight.detach().numpy()
    np.testing.assert_allclose(merged(filters, stride), layer.merged().detach().numpy(), rtol=1e-5, atol=1e-6)


def test_its_weights_learn() -> None:
    layer = UpsampledConvolution(1, DecoderLayer(2, 3, 5, 4, upsamples=True))
    layer(torch.ones(1, 2, 6)).square().sum().backward()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in layer.parameters())


def test_vctk_has_the_papers_code_dimension_and_decoder() -> None:
    config = AutoencoderConfig(
        codes=512, codebook=128, filters=(25,) * 5, strides=(4, 4, 4, 4, 1), widths=(4, 8, 16, 32), decoder="upsample"
    )
    assert config.code_dim(VCTK) == 60
    decoder = build_decoder(config, VCTK)
    layers = [layer for layer in decoder if isinstance(layer, UpsampledConvolution)]
    assert [tuple(layer.weight.shape) for layer in layers] == [(16, 512, 25), (8, 16, 25), (4, 8, 25), (1, 4, 25)]
    assert decoder(torch.zeros(1, 512, 60)).shape == (1, *VCTK.shape)


def test_without_a_stride_there_is_nothing_to_upsample() -> None:
    with pytest.raises(ValueError, match='decoder "upsample" needs a stride above 1'):
        AutoencoderConfig(codes=4, codebook=8, filters=(3, 3), strides=(1, 1), widths=(4,), decoder="upsample")


def upsampling(manifest: Manifest, **more: Any) -> Manifest:
    values = {**manifest.autoencoder.model_dump(), "decoder": "upsample", **more}
    return manifest.model_copy(update={"autoencoder": AutoencoderConfig.model_validate(values)})


@pytest.mark.parametrize("manifest", [upsampling(tiny_audio_manifest()), upsampling(tiny_manifest())])
def test_the_native_executor_decodes_as_the_plain_one(manifest: Manifest) -> None:
    assert library.kernels() is not None
    networks = tiny_networks(manifest)
    decoded = []
    for executor in ("reference", "native"):
        model = build_model(networks.autoencoder, networks.prior, 3, executor)
        for slot in range(3):
            model.begin(slot, SampleRequest(slot, label=slot))
        for _ in range(4):
            model.step(range(3))
        decoded.append(torch.from_numpy(model.decode(range(3)).media))
    assert decoded[0].shape == (3, *manifest.media.shape)
    torch.testing.assert_close(decoded[1], decoded[0], rtol=0, atol=1e-5)


def test_a_bundle_keeps_it(tmp_path: Path) -> None:
    networks = tiny_networks(upsampling(tiny_audio_manifest()))
    write_bundle(tmp_path / "b", networks.manifest, networks.autoencoder, networks.prior)
    loaded = load_networks(tmp_path / "b")
    assert isinstance(loaded.autoencoder, OrderedVQVAE)
    assert loaded.autoencoder.config.decoder == "upsample"
    assert isinstance(loaded.autoencoder.decoder[0], UpsampledConvolution)


def test_the_default_is_the_mirror() -> None:
    manifest = tiny_manifest()
    assert isinstance(manifest.autoencoder, AutoencoderConfig)
    assert manifest.autoencoder.decoder == "mirror"
    assert isinstance(OrderedVQVAE(manifest.autoencoder, manifest.media).decoder[0], nn.ConvTranspose2d)
