"""Where the ordered model lies that is refined."""

from __future__ import annotations

from pathlib import Path

from models.bundle.manifest import Manifest
from models.bundle.reader import read_manifest
from models.errors import BundleError, RecipeError

SHIPPED = Path(__file__).resolve().parents[2] / "models" / "pretrained"


def base_path(base: str) -> Path:
    """The folder of a bundle, by path or by the name of one that comes with the package."""
    shipped = SHIPPED / base
    return shipped if "/" not in base and shipped.is_dir() else Path(base)


def read_base(base: str) -> Manifest:
    """What it says of itself. Raises RecipeError unless it is the bundle of an ordered model."""
    try:
        return read_manifest(base_path(base))
    except BundleError as error:
        raise RecipeError(f"base: {error}; give a bundle's folder, or the name of one that ships") from error
