"""Which executor computes for a model."""

from __future__ import annotations

from models.build import Autoencoder
from models.bundle.manifest import EightBitCheck
from models.errors import DeviceError
from models.native import library
from models.prior import Prior, TransformerPrior
from models.runtime.native import NativeExecutor
from models.runtime.null import NullExecutor
from models.runtime.ordered import OrderedModel
from models.runtime.reference import ReferenceExecutor

REFERENCE, NATIVE, EIGHT_BIT, NULL = "reference", "native", "native-int8", "null"


def available(prior: Prior) -> tuple[str, ...]:
    """The executors that can be had here for a prior on its device, the plain one first."""
    return (REFERENCE,) if obstacle(prior) else (REFERENCE, NATIVE, EIGHT_BIT)


def choose(prior: Prior, wanted: str = "auto", check: EightBitCheck | None = None) -> str:
    """The name of the executor that computes for a prior.

    It depends on nothing but the bundle, the machine and what is installed: the workers of a service must all draw
    the same codes, and executors differ in their last bits, or more.

    Args:
        wanted: "reference", "native", "native-int8" (which rounds to eight bits), "null" (which computes nothing), or
            "auto": the quickest that is known to be good enough, which is the one of eight bits where the model was
            checked with it and passed, then the native one, then the reference.
        check: what the bundle says of eight bits; without it "auto" means full precision.

    Raises:
        DeviceError: if a native one is asked for and cannot be had.
    """
    if wanted in {NULL, REFERENCE}:
        return wanted
    reason = obstacle(prior)
    if wanted == "auto":
        if reason is not None:
            return REFERENCE
        return EIGHT_BIT if check is not None and check.passed else NATIVE
    if reason is not None:
        raise DeviceError(f"the native executor was asked for, but {reason}")
    return wanted


def build_model(
    autoencoder: Autoencoder, prior: Prior, slots: int, executor: str = "auto", check: EightBitCheck | None = None
) -> OrderedModel:
    """A model with so many slots, on the device of its networks.

    Args:
        executor, check: see `choose`.

    Raises:
        DeviceError: if a native executor is asked for and cannot be had.
    """
    name = choose(prior, executor, check)
    if name == NULL:
        return OrderedModel(prior, NullExecutor(autoencoder, prior, slots))
    kernels = None if name == REFERENCE else library.kernels()
    if kernels is not None and isinstance(prior, TransformerPrior):
        return OrderedModel(prior, NativeExecutor(autoencoder, prior, slots, kernels, eight_bit=name == EIGHT_BIT))
    return OrderedModel(prior, ReferenceExecutor(autoencoder, prior, slots))


def obstacle(prior: Prior) -> str | None:
    """Why the native executor cannot be had for a prior on its device; None if it can."""
    if prior.device.type != "cpu":
        return "it is for CPUs"
    if not isinstance(prior, TransformerPrior):
        return f"it is for Transformers, and this model's prior is of kind {prior.config.kind}"
    if library.kernels() is None:
        return "it was not built while installing, which needs a C++ compiler"
    return None
