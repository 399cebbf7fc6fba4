"""Networks as the native library takes them: described by their configuration, filled from plain arrays."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from models.bundle.manifest import AUTOENCODER, PRIOR, Manifest
from models.bundle.tensors import Tensors
from models.config import (
    AnyAutoencoderConfig,
    AutoencoderConfig,
    Media,
    PriorConfig,
    ResidualConfig,
    TransformerConfig,
)
from models.layers import DecoderLayer, decoder_layers
from models.native import library
from models.native.library import (
    ConvolutionWeights,
    CorrectionWeights,
    DecoderWeights,
    LayerWeights,
    LinearWeights,
    NormWeights,
    PriorWeights,
    ResidualWeights,
)
from models.vocabulary import Vocabulary

if TYPE_CHECKING:
    from models.build import Autoencoder
    from models.prior import Prior

Floats = NDArray[np.float32]


class Parameters(NamedTuple):
    """All there is of a model: how its networks are made, and their numbers."""

    media: Media
    autoencoder: AnyAutoencoderConfig
    prior: PriorConfig
    vocabulary: Vocabulary
    autoencoder_tensors: Tensors
    prior_tensors: Tensors

    @classmethod
    def of_bundle(cls, path: Path, manifest: Manifest) -> Parameters:
        """From the folder of a bundle that was verified. Raises BundleError if a file is not safetensors."""
        tensors = Tensors.read(path / AUTOENCODER), Tensors.read(path / PRIOR)
        return cls(manifest.media, manifest.autoencoder, manifest.prior, manifest.vocabulary, *tensors)

    @classmethod
    def of_networks(cls, autoencoder: Autoencoder, prior: Prior) -> Parameters:
        """From modules on the CPU, whose numbers are shared until they are packed."""
        tensors = [
            Tensors({name: tensor.numpy() for name, tensor in module.state_dict().items()}, Path(type(module).__name__))
            for module in (autoencoder, prior)
        ]
        return cls(autoencoder.media, autoencoder.config, prior.config, prior.vocabulary, *tensors)


class Weights:
    """Describes networks to the library, and keeps what the descriptions point to.

    Args:
        parameters: of the model.
        eight_bit: whether matrices are to be rounded to eight bits.
    """

    def __init__(self, parameters: Parameters, *, eight_bit: bool) -> None:
        self._parameters = parameters
        self._eight_bit = eight_bit
        self._arrays: list[Floats] = []

    def prior(self, config: TransformerConfig, slots: int) -> PriorWeights:
        """The Transformer, with so many slots."""
        vocabulary, take = self._parameters.vocabulary, self._parameters.prior_tensors.take
        layers = [self._layer(config, f"blocks.{i}.") for i in range(config.layers)]
        return PriorWeights(
            codes=vocabulary.codes,
            codebook=vocabulary.codebook,
            tokens=vocabulary.size,
            layers=config.layers,
            width=config.width,
            heads=config.heads,
            slots=slots,
            eight_bit=self._eight_bit,
            embedding=self._floats(take("embedding.weight", vocabulary.size, config.width)),
            position=self._floats(take("position", vocabulary.codes, config.width)),
            layer=(LayerWeights * len(layers))(*layers),
            norm=self._norm("norm", config.width),
            head=self._linear(self._parameters.prior_tensors, "head", config.width, vocabulary.codebook),
        )

    def decoder(self, config: AutoencoderConfig) -> DecoderWeights:
        """The convolutional decoder and its codebook."""
        media, take = self._parameters.media, self._parameters.autoencoder_tensors.take
        grid, dim = config.grid(media), config.code_dim(media)
        layers = []
        for i, layer in enumerate(decoder_layers(config, media)):
            layers.append(self._convolution(f"decoder.{2 * i}.", layer, grid))  # between them are LeakyReLUs
            grid = tuple(size * layer.stride for size in grid)
        missing = (
            take("missing", config.codes, dim)
            if config.missing == "learned"
            else np.zeros((config.codes, dim), np.float32)
        )
        low, high = media.range
        return DecoderWeights(
            codes=config.codes,
            codebook=config.codebook,
            layers=len(layers),
            spatial=config.quantisation == "spatial",
            eight_bit=self._eight_bit,
            entries=self._floats(take("quantiser.codebook", config.codebook, dim)),
            missing=self._floats(missing),
            layer=(ConvolutionWeights * len(layers))(*layers),
            leak=config.leak,
            low=low,
            high=high,
        )

    def residual(self, config: ResidualConfig) -> ResidualWeights:
        """The decoder of the residual kind."""
        media, take = self._parameters.media, self._parameters.autoencoder_tensors.take
        numbers = int(np.prod(media.shape))
        plain = NormWeights(
            self._floats(np.ones(config.width, np.float32)), self._floats(np.zeros(config.width, np.float32))
        )
        corrections = [self._correction(config, f"corrections.{j}.") for j in range(config.codes)]
        low, high = media.range
        return ResidualWeights(
            codes=config.codes,
            codebook=config.codebook,
            depth=config.depth,
            width=config.width,
            eight_bit=self._eight_bit,
            entries=self._floats(take("quantiser.codebook", config.codebook, config.depth)),
            norm=plain,
            correction=(CorrectionWeights * len(corrections))(*corrections),
            readout=self._matrix(take("readout", config.width, numbers), take("mean", numbers)),
            low=low,
            high=high,
        )

    def _layer(self, config: TransformerConfig, name: str) -> LayerWeights:
        tensors, width, inner = self._parameters.prior_tensors, config.width, config.feed_forward
        return LayerWeights(
            self._norm(name + "attention_norm", width),
            self._linear(tensors, name + "qkv", width, 3 * width),
            self._linear(tensors, name + "project", width, width),
            self._norm(name + "feed_forward_norm", width),
            self._linear(tensors, name + "expand", width, inner),
            self._linear(tensors, name + "contract", inner, width),
        )

    def _correction(self, config: ResidualConfig, name: str) -> CorrectionWeights:
        tensors, width, depth = self._parameters.autoencoder_tensors, config.width, config.depth
        return CorrectionWeights(
            self._linear(tensors, name + "read", width, config.hidden),
            self._linear(tensors, name + "write", config.hidden, width + depth**2),
            self._matrix(tensors.take(name + "directions", depth, width), np.zeros(width, np.float32)),
        )

    def _convolution(self, name: str, layer: DecoderLayer, grid: tuple[int, ...]) -> ConvolutionWeights:
        take, rank = self._parameters.autoencoder_tensors.take, len(grid)
        filters = (layer.size,) * rank
        if layer.upsamples:
            weight = merged(take(name + "weight", layer.outputs, layer.inputs, *filters), layer.stride)
        else:
            weight = take(name + "weight", layer.inputs, layer.outputs, *filters)
        one_row = rank == 1  # audio has no height
        return ConvolutionWeights(
            weight=self._floats(weight),
            bias=self._floats(take(name + "bias", layer.outputs)),
            inputs=layer.inputs,
            outputs=layer.outputs,
            height=1 if one_row else grid[0],
            width=grid[-1],
            kernel=(1 if one_row else layer.merged, layer.merged),
            stride=(1 if one_row else layer.stride, layer.stride),
            padding=(0 if one_row else layer.padding, layer.padding),
        )

    def _linear(self, tensors: Tensors, name: str, inputs: int, outputs: int) -> LinearWeights:
        weight, bias = tensors.take(f"{name}.weight", outputs, inputs), tensors.take(f"{name}.bias", outputs)
        return LinearWeights(self._floats(weight), self._floats(bias), inputs, outputs)

    def _matrix(self, matrix: Floats, bias: Floats) -> LinearWeights:
        """Of a row (inputs) by a matrix (inputs, outputs)."""
        return LinearWeights(self._floats(matrix.T), self._floats(bias), *matrix.shape)

    def _norm(self, name: str, width: int) -> NormWeights:
        take = self._parameters.prior_tensors.take
        return NormWeights(self._floats(take(f"{name}.weight", width)), self._floats(take(f"{name}.bias", width)))

    def _floats(self, array: Floats) -> ctypes._Pointer[ctypes.c_float]:
        kept = np.ascontiguousarray(array)
        self._arrays.append(kept)
        return library.floats(kept)


def merged(weight: Floats, stride: int) -> Floats:
    """See `UpsampledConvolution.merged`: (outputs, inputs, *filter) -> (inputs, outputs, *(filter + stride - 1))."""
    axes = tuple(range(2, weight.ndim))
    wide = np.flip(weight.swapaxes(0, 1), axes)
    wide = np.pad(wide, [(0, 0), (0, 0), *[(stride - 1, stride - 1) for _ in axes]])
    for axis in axes:
        wide = sliding_window_view(wide, stride, axis).sum(-1)
    return wide
