"""The packages that only training and evaluation need: the optional part of the installation."""

from __future__ import annotations

from importlib.util import find_spec

from models.errors import AnytimeError

PACKAGES = ("matplotlib", "tensorboard", "torchmetrics")


def require_extras() -> None:
    """Say at once which package is missing, rather than hours later.

    Raises:
        AnytimeError: naming the missing packages and the command that installs them.
    """
    missing = [package for package in PACKAGES if find_spec(package) is None]
    if missing:
        raise AnytimeError(f"training and evaluation need {', '.join(missing)}: pip install 'anytime[train]'")
