"""The numbers in a bundle's files as plain arrays, for whoever computes without PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from models.errors import BundleError


class Tensors:
    """The tensors of one network, by name.

    Args:
        stored: of any floating-point type.
        source: where they are from, for error messages.
    """

    def __init__(self, stored: Mapping[str, NDArray[np.floating]], source: Path) -> None:
        self._stored = stored
        self._source = source

    @classmethod
    def read(cls, file: Path) -> Tensors:
        """Those of a safetensors file. Raises BundleError if it is none."""
        try:
            return cls(load_file(file), file)
        except SafetensorError as error:
            raise BundleError(file, f"is not a safetensors file: {error}") from error

    def take(self, name: str, *shape: int) -> NDArray[np.float32]:
        """The tensor of that name in single precision.

        Raises:
            BundleError: it is not there, or has another shape than the one that is called for.
        """
        if name not in self._stored:
            raise BundleError(self._source, f"lacks tensor {name}")
        found = self._stored[name]
        if found.shape != shape:
            raise BundleError(
                self._source,
                f"tensor {name} has shape {list(found.shape)} where the manifest calls for {list(shape)}",
            )
        return np.ascontiguousarray(found, np.float32)
