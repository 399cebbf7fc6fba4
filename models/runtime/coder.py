"""Samples to codes, and what is lost with fewer of them; in full precision, and without PyTorch.

What encodes a sample now and then should be ready at once and take little room: to load PyTorch alone takes longer than
a thousand samples. So this is NumPy, one sample at a time, and finds what `Autoencoder.encode_codes` and `decode_codes`
find, but for rounding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from models.bundle.manifest import AUTOENCODER, Manifest
from models.bundle.tensors import Tensors
from models.config import AutoencoderConfig, Media
from models.media import pictures, sound
from models.runtime.coding_convolutional import ConvolutionalCoding
from models.runtime.coding_residual import ResidualCoding

# What 1.0 is in a sample as it is stored; floating-point numbers are what they are.
_FULL_SCALE = {np.dtype(np.uint8): pictures.FULL_SCALE, np.dtype(np.int16): sound.FULL_SCALE}


class Coding(Protocol):
    """What an autoencoder computes, of one sample."""

    def encode(self, x: NDArray[np.float32]) -> list[int]:
        """All K codes of a sample (*media shape)."""

    def decode(self, codes: Sequence[int], lengths: Sequence[int]) -> Iterator[NDArray[np.float32]]:
        """Samples (*media shape), not clamped, from the first n codes, for every n of `lengths`, which ascend."""


class Coder:
    """One autoencoder.

    Args:
        coding: what it computes.
        media: what a sample is.
    """

    def __init__(self, coding: Coding, media: Media) -> None:
        self._coding = coding
        self._media = media

    @classmethod
    def load(cls, path: Path, manifest: Manifest) -> Coder:
        """Of the bundle at folder `path`, which was verified.

        Raises:
            BundleError: if a tensor is missing, or of another shape than the manifest says.
        """
        tensors, config = Tensors.read(path / AUTOENCODER), manifest.autoencoder
        if isinstance(config, AutoencoderConfig):
            return cls(ConvolutionalCoding(config, manifest.media, tensors), manifest.media)
        return cls(ResidualCoding(config, manifest.media, tensors), manifest.media)

    def encode(self, sample: NDArray[Any]) -> list[int]:
        """All K codes of a sample (*media shape), in integers as it is stored or in numbers of the media's range."""
        return self._coding.encode(sample.astype(np.float32) / np.float32(_FULL_SCALE.get(sample.dtype, 1)))

    def squared_errors(self, sample: NDArray[Any], codes: Sequence[int], lengths: Sequence[int]) -> Iterator[float]:
        """‖x' - x‖² with the first n of a sample's codes, for every n of `lengths`, which ascend.

        It is the error of `training/evaluation/reconstruction.py`, summed over the sample's numbers, each in the
        media's range. An iterator, so that whoever has no time left can stop.
        """
        original = sample.astype(np.float64) / _FULL_SCALE.get(sample.dtype, 1)
        for answer in self._coding.decode(codes, lengths):
            yield float(np.square(answer.clip(*self._media.range) - original).sum())
