"""`OrderedVQVAE` in NumPy, one sample at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise, product
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from models.bundle.tensors import Tensors
from models.config import AutoencoderConfig, Media
from models.layers import DecoderLayer, decoder_layers, padding
from models.runtime.weights import merged

Floats = NDArray[np.float32]


class Convolution(NamedTuple):
    """A convolution (outputs, inputs, *filter), or a transposed one (inputs, outputs, *filter), and its bias.

    Attributes:
        extra: numbers that a transposed one adds at the end of each axis, the output padding.
    """

    weight: Floats
    bias: Floats
    stride: int
    padding: int
    extra: int = 0

    def apply(self, x: Floats) -> Floats:
        """(inputs, *sizes) -> (outputs, *sizes divided by the stride)."""
        rank = x.ndim - 1
        padded = np.pad(x, [(0, 0), *[(self.padding, self.padding)] * rank])
        windows = sliding_window_view(padded, self.weight.shape[2:], axis=tuple(range(1, rank + 1)))
        windows = windows[:, *[slice(None, None, self.stride)] * rank]  # (inputs, *sizes, *filter)
        summed = [0, *range(rank + 1, 2 * rank + 1)]
        y: Floats = np.tensordot(self.weight, windows, axes=(list(range(1, rank + 2)), summed))
        return y + self.bias.reshape(-1, *[1] * rank)

    def apply_transposed(self, x: Floats) -> Floats:
        """(inputs, *sizes) -> (outputs, *sizes times the stride)."""
        sizes, filters = x.shape[1:], self.weight.shape[2:]
        parts = np.tensordot(self.weight, x, axes=(0, 0))  # (outputs, *filter, *sizes)
        whole = [(size - 1) * self.stride + length + self.extra for size, length in zip(sizes, filters, strict=True)]
        y = np.zeros((self.weight.shape[1], *whole), np.float32)
        for place in product(*map(range, filters)):
            reached: tuple[slice, ...] = tuple(
                slice(start, start + (size - 1) * self.stride + 1, self.stride)
                for start, size in zip(place, sizes, strict=True)
            )
            each: tuple[slice | int, ...] = (slice(None), *place)
            of_outputs = y[(slice(None), *reached)]  # a view
            of_outputs += parts[each]
        kept = [slice(self.padding, length - self.padding) for length in whole]
        return y[:, *kept] + self.bias.reshape(-1, *[1] * len(sizes))


class ConvolutionalCoding:
    """See `models.runtime.coder.Coding`.

    Args:
        tensors: of the autoencoder.

    Raises:
        BundleError: if one is missing, or of another shape than the configuration calls for.
    """

    def __init__(self, config: AutoencoderConfig, media: Media, tensors: Tensors) -> None:
        self._config = config
        self._grid = config.grid(media)
        dim = config.code_dim(media)
        self._entries = tensors.take("quantiser.codebook", config.codebook, dim)  # (C, D)
        learned = config.missing == "learned"
        self._missing = tensors.take("missing", config.codes, dim) if learned else np.float32(0)
        self._encoder = _encoder(config, media, tensors)
        self._decoder = [
            _decoder_layer(layer, f"decoder.{2 * index}.", len(self._grid), tensors)
            for index, layer in enumerate(decoder_layers(config, media))
        ]

    def encode(self, x: Floats) -> list[int]:
        """See `Coding.encode`."""
        for index, layer in enumerate(self._encoder):
            x = layer.apply(x if index == 0 else self._bend(x))
        features = x.reshape(len(x), -1)
        vectors = features if self._config.quantisation == "channel" else features.T  # (K, D)
        distances = np.square(self._entries).sum(1) - 2 * vectors @ self._entries.T
        codes: list[int] = distances.argmin(1).tolist()
        return codes

    def decode(self, codes: Sequence[int], lengths: Sequence[int]) -> Iterator[Floats]:
        """See `Coding.decode`."""
        given = self._entries[list(codes)]  # (K, D)
        for length in lengths:
            vectors = np.where(np.arange(len(given))[:, None] < length, given, self._missing)
            if self._config.quantisation == "spatial":
                vectors = vectors.T
            x = vectors.reshape(self._config.channels, *self._grid)
            for index, layer in enumerate(self._decoder):
                x = layer.apply_transposed(x if index == 0 else self._bend(x))
            yield x

    def _bend(self, x: Floats) -> Floats:
        """LeakyReLU."""
        return np.where(x > 0, x, np.float32(self._config.leak) * x)


def _encoder(config: AutoencoderConfig, media: Media, tensors: Tensors) -> list[Convolution]:
    channels = (media.shape[0], *config.widths, config.channels)
    rank, layers = len(media.shape) - 1, []
    for index, ((inputs, outputs), size, stride) in enumerate(
        zip(pairwise(channels), config.filters, config.strides, strict=True)
    ):
        name = f"encoder.{2 * index}."  # between them are LeakyReLUs
        weight = tensors.take(f"{name}weight", outputs, inputs, *(size,) * rank)
        layers.append(Convolution(weight, tensors.take(f"{name}bias", outputs), stride, padding(size, stride)))
    return layers


def _decoder_layer(layer: DecoderLayer, name: str, rank: int, tensors: Tensors) -> Convolution:
    filters = (layer.size,) * rank
    if layer.upsamples:
        weight = merged(tensors.take(f"{name}weight", layer.outputs, layer.inputs, *filters), layer.stride)
    else:
        weight = tensors.take(f"{name}weight", layer.inputs, layer.outputs, *filters)
    bias = tensors.take(f"{name}bias", layer.outputs)
    return Convolution(weight, bias, layer.stride, layer.padding, layer.output_padding)
