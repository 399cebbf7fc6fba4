"""Which executor computes for a model."""

from __future__ import annotations

from models.build import Autoencoder
from models.errors import DeviceError
from models.native import library
from models.prior import Prior, TransformerPrior
from models.runtime.native import NativeExecutor
from models.runtime.null import NullExecutor
from models.runtime.ordered import OrderedModel
from models.runtime.reference import ReferenceExecutor


def available(prior: Prior) -> tuple[str, ...]:
    """The executors that can be had here for a prior on its device, the plain one first."""
    return ("reference",) if _obstacle(prior) else ("reference", "native", "native-int8")


def build_model(autoencoder: Autoencoder, prior: Prior, slots: int, executor: str = "auto") -> OrderedModel:
    """A model with so many slots, on the device of its networks.

    The choice depends on nothing but the kind of prior, the machine and what is installed: the workers of a service
    must all draw the same codes, and executors differ in their last bits.

    Args:
        executor: "reference", "native", "native-int8" (which rounds the prior's weights), "null" (which computes
            nothing), or "auto" for the native one where it can be had.

    Raises:
        DeviceError: if a native one is asked for and cannot be had.
    """
    if executor == "null":
        return OrderedModel(prior, NullExecutor(autoencoder, prior, slots))
    kernels = library.kernels() if executor != "reference" and _obstacle(prior) is None else None
    if kernels is not None and isinstance(prior, TransformerPrior):
        eight_bit = executor == "native-int8"
        return OrderedModel(prior, NativeExecutor(autoencoder, prior, slots, kernels, eight_bit=eight_bit))
    if executor.startswith("native"):
        raise DeviceError(f"the native executor was asked for, but {_obstacle(prior)}")
    return OrderedModel(prior, ReferenceExecutor(autoencoder, prior, slots))


def _obstacle(prior: Prior) -> str | None:
    """Why the native executor cannot be had for a prior on its device; None if it can."""
    if prior.device.type != "cpu":
        return "it is for CPUs"
    if not isinstance(prior, TransformerPrior):
        return f"it is for Transformers, and this model's prior is of kind {prior.config.kind}"
    if library.kernels() is None:
        return "it was not built while installing, which needs a C++ compiler"
    return None
