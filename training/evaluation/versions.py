"""Versions of what computed a result."""

from __future__ import annotations

import platform
from importlib.metadata import version

LIBRARIES = ("torch", "numpy", "safetensors", "torchmetrics")


def versions() -> dict[str, str]:
    """Version of Python and of each library that has a part in the numbers, by name."""
    return {"python": platform.python_version()} | {library: version(library) for library in LIBRARIES}
