"""Which executor computes for a model."""

from __future__ import annotations

from models.autoencoder import OrderedVQVAE
from models.errors import DeviceError
from models.native import library
from models.prior import TransformerPrior
from models.runtime.native import NativeExecutor
from models.runtime.ordered import OrderedModel
from models.runtime.reference import ReferenceExecutor


def available(device: str) -> tuple[str, ...]:
    """The executors that can be had on a device here, the plain one first."""
    return ("reference", "native") if device == "cpu" and library.kernels() is not None else ("reference",)


def build_model(autoencoder: OrderedVQVAE, prior: TransformerPrior, slots: int, executor: str = "auto") -> OrderedModel:
    """A model with so many slots, on the device of its networks.

    The choice depends on nothing but the machine and what is installed: the workers of a service must all draw the same
    codes, and executors differ in their last bits.

    Args:
        executor: "reference", "native", or "auto" for the native one where it can be had.

    Raises:
        DeviceError: if "native" is asked for and cannot be had.
    """
    on_cpu = prior.position.device.type == "cpu"
    kernels = library.kernels() if on_cpu and executor != "reference" else None
    if kernels is not None:
        return OrderedModel(prior, NativeExecutor(autoencoder, prior, slots, kernels))
    if executor == "native":
        raise DeviceError(
            "the native executor was asked for, but it was not built while installing, which needs a C++ compiler"
            if on_cpu
            else "the native executor was asked for, but it is for CPUs"
        )
    return OrderedModel(prior, ReferenceExecutor(autoencoder, prior, slots))
