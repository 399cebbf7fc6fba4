"""`ResidualAutoencoder` in NumPy, one sample at a time; its module says what is computed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.bundle.tensors import Tensors
from models.config import Media, ResidualConfig

Floats = NDArray[np.float32]

_EPSILON = np.float32(1e-5)  # of PyTorch's LayerNorm


class _Correction(NamedTuple):
    """s_j, T_j and M_j of one code.

    Attributes:
        pull: M_j R R^T, (D, L).
        bent: M_j R R^T M_j^T, (D, D).
    """

    read: tuple[Floats, Floats]
    write: tuple[Floats, Floats]
    directions: Floats
    pull: Floats
    bent: Floats

    def move(self, state: Floats) -> tuple[Floats, Floats]:
        """From a state (L,), what is expected after the code, (L,), and the turn of its entry, (D, D)."""
        centred = state - state.mean()
        normal = centred / np.sqrt(np.square(centred).mean() + _EPSILON)
        hidden = np.maximum(self.read[0] @ normal + self.read[1], 0)
        written = self.write[0] @ hidden + self.write[1]
        depth, width = self.directions.shape
        return state + written[:width], written[width:].reshape(depth, depth)


class ResidualCoding:
    """See `models.runtime.coder.Coding`.

    Args:
        tensors: of the autoencoder.

    Raises:
        BundleError: if one is missing, or of another shape than the configuration calls for.
    """

    def __init__(self, config: ResidualConfig, media: Media, tensors: Tensors) -> None:
        numbers = math.prod(media.shape)
        self._shape = media.shape
        self._entries = tensors.take("quantiser.codebook", config.codebook, config.depth)  # (C, D)
        self._products = (self._entries[:, :, None] * self._entries[:, None]).reshape(config.codebook, -1)  # (C, D * D)
        self._readout = tensors.take("readout", config.width, numbers)  # R, (L, numbers)
        self._mean = tensors.take("mean", numbers)
        self._gram = self._readout @ self._readout.T
        self._corrections = [self._correction(config, f"corrections.{j}.", tensors) for j in range(config.codes)]

    def encode(self, x: Floats) -> list[int]:
        """See `Coding.encode`."""
        target = self._readout @ (x.reshape(-1) - self._mean)  # x R^T, (L,)
        state = np.zeros_like(target)
        codes: list[int] = []
        for correction in self._corrections:
            expected, turn = correction.move(state)
            wanted = correction.directions @ target - correction.pull @ expected
            quadratic = turn @ correction.bent @ turn.T
            codes.append(int((self._products @ quadratic.reshape(-1) - 2 * self._entries @ (turn @ wanted)).argmin()))
            state = expected + self._entries[codes[-1]] @ turn @ correction.directions
        return codes

    def decode(self, codes: Sequence[int], lengths: Sequence[int]) -> Iterator[Floats]:
        """See `Coding.decode`."""
        wanted, state = set(lengths), np.zeros(len(self._readout), np.float32)
        for length, (code, correction) in enumerate(zip(codes, self._corrections, strict=False), start=1):
            expected, turn = correction.move(state)
            state = expected + self._entries[code] @ turn @ correction.directions
            if length in wanted:
                yield (self._mean + state @ self._readout).reshape(self._shape)

    def _correction(self, config: ResidualConfig, name: str, tensors: Tensors) -> _Correction:
        depth, width, hidden = config.depth, config.width, config.hidden
        directions = tensors.take(f"{name}directions", depth, width)
        outputs = width + depth**2
        pull = directions @ self._gram
        return _Correction(
            read=(tensors.take(f"{name}read.weight", hidden, width), tensors.take(f"{name}read.bias", hidden)),
            write=(tensors.take(f"{name}write.weight", outputs, hidden), tensors.take(f"{name}write.bias", outputs)),
            directions=directions,
            pull=pull,
            bent=pull @ directions.T,
        )
