"""The executor for CPUs in C++ (`models/native`): the same arithmetic as the reference, without the way there.

At a batch of one PyTorch spends most of a step on reaching some fifty operations; here a step is one call.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import c_int32

import numpy as np
from numpy.typing import NDArray

from models.config import AutoencoderConfig, TransformerConfig
from models.native import library
from models.native.library import Kernels
from models.runtime.buckets import power_of_two_buckets
from models.runtime.executor import Draw
from models.runtime.weights import Parameters, Weights


class NativeExecutor:
    """Slots in the library's memory; a batch needs no padding.

    Args:
        parameters: of a model whose prior is a Transformer; only its decoder and codebook are used of its autoencoder.
        kernels: of one instruction set.
        eight_bit: whether the matrices of prior and decoder are rounded to eight bits, and their inputs as they come:
            quicker, and not quite the same codes and samples.

    Raises:
        BundleError: if numbers are missing, or are not as many as the model calls for.
        MemoryError: if there is not enough.
        TypeError: the prior is not a Transformer.
    """

    def __init__(self, parameters: Parameters, slots: int, kernels: Kernels, *, eight_bit: bool = False) -> None:
        self.name = "native-int8" if eight_bit else "native"
        self.buckets = power_of_two_buckets(slots)
        self._kernels = kernels
        self._shape = parameters.media.shape
        weights = Weights(parameters, eight_bit=eight_bit)
        prior, autoencoder = parameters.prior, parameters.autoencoder
        if not isinstance(prior, TransformerConfig):
            raise TypeError(f"the library has no prior of kind {prior.kind}")
        self._prior = _made(kernels.prior_new(weights.prior(prior, slots)))
        if isinstance(autoencoder, AutoencoderConfig):
            self._decoder = _made(kernels.decoder_new(weights.decoder(autoencoder)))
            self._run_decoder, self._free_decoder = kernels.decoder_run, kernels.decoder_free
        else:
            self._decoder = _made(kernels.residual_new(weights.residual(autoencoder)))
            self._run_decoder, self._free_decoder = kernels.residual_run, kernels.residual_free
        vocabulary = parameters.vocabulary
        self._codes = library.view_integers(kernels.prior_codes(self._prior), (slots, vocabulary.codes))
        self._positions = library.view_integers(kernels.prior_positions(self._prior), (slots,))
        self._codebook = vocabulary.codebook

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

    def wait(self) -> None:
        """See `Executor.wait`: there is nothing to wait for."""

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
