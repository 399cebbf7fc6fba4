"""The executor for CPUs in C++ (`models/native`): the same arithmetic as the reference, without the way there.

At a batch of one PyTorch spends most of a step on reaching some fifty operations; here a step is one call.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import c_int32
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.autoencoder import RANGES, OrderedVQVAE
from models.build import Autoencoder
from models.native import library
from models.native.library import (
    ConvolutionWeights,
    CorrectionWeights,
    DecoderWeights,
    Kernels,
    LayerWeights,
    LinearWeights,
    NormWeights,
    PriorWeights,
    ResidualWeights,
)
from models.networks import UpsampledConvolution
from models.prior.transformer import Block, TransformerPrior
from models.residual import Correction, ResidualAutoencoder
from models.runtime.buckets import power_of_two_buckets
from models.runtime.executor import Draw


class NativeExecutor:
    """Slots in the library's memory; a batch needs no padding.

    Args:
        autoencoder: on the CPU; only its decoder and codebook are used.
        prior: on the CPU.
        kernels: of one instruction set.
        eight_bit: whether the matrices of prior and decoder are rounded to eight bits, and their inputs as they come:
            quicker, and not quite the same codes and samples.

    Raises:
        MemoryError: if there is not enough.
    """

    def __init__(
        self,
        autoencoder: Autoencoder,
        prior: TransformerPrior,
        slots: int,
        kernels: Kernels,
        *,
        eight_bit: bool = False,
    ) -> None:
        self.name = "native-int8" if eight_bit else "native"
        self.buckets = power_of_two_buckets(slots)
        self._kernels = kernels
        self._shape = autoencoder.media.shape
        weights = _Weights()
        self._prior = _made(kernels.prior_new(weights.prior(prior, slots, eight_bit)))
        if isinstance(autoencoder, OrderedVQVAE):
            self._decoder = _made(kernels.decoder_new(weights.decoder(autoencoder, eight_bit)))
            self._run_decoder, self._free_decoder = kernels.decoder_run, kernels.decoder_free
        else:
            self._decoder = _made(kernels.residual_new(weights.residual(autoencoder, eight_bit)))
            self._run_decoder, self._free_decoder = kernels.residual_run, kernels.residual_free
        self._codes = library.view_integers(kernels.prior_codes(self._prior), (slots, prior.codes))
        self._positions = library.view_integers(kernels.prior_positions(self._prior), (slots,))
        self._codebook = prior.codebook

    def __del__(self) -> None:
        if hasattr(self, "_prior"):
            self._kernels.prior_free(self._prior)
        if hasattr(self, "_decoder"):
            self._free_decoder(self._decoder)

    @property
    def weight_bytes(self) -> int:
        """See `Executor`."""
        return int(self._kernels.prior_weight_bytes(self._prior))

    def begin(self, slot: int, tokens: Sequence[int], draw: Draw) -> None:
        """See `Executor.begin`."""
        how = library.Draw(draw.temperature, draw.top_p, draw.top_k)
        uniforms = np.ascontiguousarray(draw.uniforms, np.float64)
        self._kernels.prior_begin(self._prior, slot, len(tokens) - 1, _integers(tokens), how, uniforms.ctypes.data)

    def step(self, slots: Sequence[int]) -> None:
        """See `Executor.step`."""
        self._kernels.prior_step(self._prior, len(slots), _integers(slots))

    def decode(self, slots: Sequence[int]) -> NDArray[np.float32]:
        """See `Executor.decode`."""
        rows = list(slots)
        codes, lengths = self._codes[rows], self._positions[rows]
        media = np.empty((len(rows), *self._shape), np.float32)
        self._run_decoder(self._decoder, len(rows), codes.ctypes.data, lengths.ctypes.data, media.ctypes.data)
        return media

    def codes(self, slots: Sequence[int]) -> list[list[int]]:
        """See `Executor.codes`."""
        rows: list[list[int]] = self._codes[list(slots)].tolist()
        return rows

    def positions(self) -> list[int]:
        """See `Executor.positions`."""
        positions: list[int] = self._positions.tolist()
        return positions

    def logits(self, row: int) -> NDArray[np.float32]:
        """(C,): those from which the last step drew for its slot number `row`."""
        address = self._kernels.prior_logits(self._prior, row)
        return library.view_floats(address, (self._codebook,)).copy()


def _integers(numbers: Sequence[int]) -> ctypes.Array[c_int32]:
    return (c_int32 * len(numbers))(*numbers)


def _made(made: int | None) -> int:
    if not made:
        raise MemoryError("there is not enough memory for the model")
    return made


class _Weights:
    """Describes modules to the library, and keeps what the descriptions point to."""

    def __init__(self) -> None:
        self._arrays: list[NDArray[np.float32]] = []

    def prior(self, prior: TransformerPrior, slots: int, eight_bit: bool) -> PriorWeights:
        config = prior.config
        layers = [self._layer(cast("Block", block)) for block in prior.blocks]
        return PriorWeights(
            codes=prior.codes,
            codebook=prior.codebook,
            tokens=prior.embedding.num_embeddings,
            layers=config.layers,
            width=config.width,
            heads=config.heads,
            slots=slots,
            eight_bit=eight_bit,
            embedding=self._floats(prior.embedding.weight),
            position=self._floats(prior.position),
            layer=(LayerWeights * len(layers))(*layers),
            norm=self._norm(prior.norm),
            head=self._linear(prior.head),
        )

    def decoder(self, autoencoder: OrderedVQVAE, eight_bit: bool) -> DecoderWeights:
        config, media = autoencoder.config, autoencoder.media
        shape, layers = autoencoder.grid, []
        for layer in autoencoder.decoder:
            module = layer.transposed() if isinstance(layer, UpsampledConvolution) else layer
            if isinstance(module, nn.ConvTranspose1d | nn.ConvTranspose2d):
                layers.append(self._convolution(module, shape))
                shape = tuple(size * stride for size, stride in zip(shape, module.stride, strict=True))
        low, high = RANGES[media.type]
        return DecoderWeights(
            codes=config.codes,
            codebook=config.codebook,
            layers=len(layers),
            spatial=config.quantisation == "spatial",
            eight_bit=eight_bit,
            entries=self._floats(autoencoder.quantiser.codebook),
            missing=self._floats(autoencoder.missing),
            layer=(ConvolutionWeights * len(layers))(*layers),
            leak=config.leak,
            low=low,
            high=high,
        )

    def residual(self, autoencoder: ResidualAutoencoder, eight_bit: bool) -> ResidualWeights:
        config = autoencoder.config
        low, high = RANGES[autoencoder.media.type]
        plain = NormWeights(self._floats(torch.ones(config.width)), self._floats(torch.zeros(config.width)))
        corrections = [self._correction(cast("Correction", each)) for each in autoencoder.corrections]
        return ResidualWeights(
            codes=config.codes,
            codebook=config.codebook,
            depth=config.depth,
            width=config.width,
            eight_bit=eight_bit,
            entries=self._floats(autoencoder.quantiser.codebook),
            norm=plain,
            correction=(CorrectionWeights * len(corrections))(*corrections),
            readout=self._matrix(autoencoder.readout, autoencoder.mean),
            low=low,
            high=high,
        )

    def _correction(self, correction: Correction) -> CorrectionWeights:
        directions = correction.directions
        no_bias = torch.zeros(directions.shape[1])
        return CorrectionWeights(
            self._linear(correction.read), self._linear(correction.write), self._matrix(directions, no_bias)
        )

    def _matrix(self, matrix: Tensor, bias: Tensor) -> LinearWeights:
        """Of a row (inputs) by a matrix (inputs, outputs)."""
        return LinearWeights(self._floats(matrix.T), self._floats(bias), *matrix.shape)

    def _layer(self, block: Block) -> LayerWeights:
        return LayerWeights(
            self._norm(block.attention_norm),
            self._linear(block.qkv),
            self._linear(block.project),
            self._norm(block.feed_forward_norm),
            self._linear(block.expand),
            self._linear(block.contract),
        )

    def _convolution(
        self, module: nn.ConvTranspose1d | nn.ConvTranspose2d, shape: tuple[int, ...]
    ) -> ConvolutionWeights:
        weight = module.weight if len(shape) == 2 else module.weight[:, :, None]  # audio is one row high
        return ConvolutionWeights(
            weight=self._floats(weight),
            bias=self._floats(cast("Tensor", module.bias)),
            inputs=module.in_channels,
            outputs=module.out_channels,
            height=shape[-2] if len(shape) == 2 else 1,
            width=shape[-1],
            kernel=_pair(module.kernel_size, 1),
            stride=_pair(module.stride, 1),
            padding=_pair(cast("tuple[int, ...]", module.padding), 0),
        )

    def _linear(self, linear: nn.Linear) -> LinearWeights:
        return LinearWeights(
            self._floats(linear.weight), self._floats(linear.bias), linear.in_features, linear.out_features
        )

    def _norm(self, norm: nn.LayerNorm) -> NormWeights:
        return NormWeights(self._floats(norm.weight), self._floats(norm.bias))

    def _floats(self, tensor: Tensor) -> ctypes._Pointer[ctypes.c_float]:
        array: NDArray[np.float32] = np.ascontiguousarray(tensor.detach().numpy(), np.float32)
        self._arrays.append(array)
        return library.floats(array)


def _pair(values: tuple[int, ...], missing: int) -> tuple[int, int]:
    """For height and width, where audio has no height."""
    return (values[0], values[1]) if len(values) == 2 else (missing, values[0])
