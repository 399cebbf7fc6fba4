"""Which executor computes for a model, and those that need no PyTorch; imports none."""

from __future__ import annotations

from models.bundle.manifest import EightBitCheck
from models.errors import DeviceError
from models.native import library
from models.runtime.native import NativeExecutor
from models.runtime.null import NullExecutor
from models.runtime.ordered import OrderedModel
from models.runtime.weights import Parameters

REFERENCE, NATIVE, EIGHT_BIT, NULL = "reference", "native", "native-int8", "null"


def available(kind: str, device: str) -> tuple[str, ...]:
    """The executors that can be had here for a kind of prior on a device, the plain one first."""
    return (REFERENCE,) if obstacle(kind, device) else (REFERENCE, NATIVE, EIGHT_BIT)


def choose(kind: str, device: str, wanted: str = "auto", check: EightBitCheck | None = None) -> str:
    """The name of the executor that computes for a prior.

    It depends on nothing but the bundle, the machine and what is installed: the workers of a service must all draw
    the same codes, and executors differ in their last bits, or more.

    Args:
        kind: of the prior.
        device: as PyTorch spells it.
        wanted: "reference", "native", "native-int8" (which rounds to eight bits), "null" (which computes nothing), or
            "auto": the quickest that is known to be good enough, which is the one of eight bits where the model was
            checked with it and passed, then the native one, then the reference.
        check: what the bundle says of eight bits; without it "auto" means full precision.

    Raises:
        DeviceError: if a native one is asked for and cannot be had.
    """
    if wanted in {NULL, REFERENCE}:
        return wanted
    reason = obstacle(kind, device)
    if wanted == "auto":
        if reason is not None:
            return REFERENCE
        return EIGHT_BIT if check is not None and check.passed else NATIVE
    if reason is not None:
        raise DeviceError(f"the native executor was asked for, but {reason}")
    return wanted


def build_without_torch(name: str, parameters: Parameters, slots: int) -> OrderedModel:
    """A model with so many slots, by an executor that was chosen and is not the reference.

    Raises:
        BundleError: if numbers are missing, or are not as many as the model calls for.
    """
    if name == NULL:
        return OrderedModel(parameters.vocabulary, NullExecutor(parameters.media, parameters.vocabulary.codes, slots))
    kernels = library.kernels()
    if kernels is None:
        raise DeviceError(_NOT_BUILT)
    executor = NativeExecutor(parameters, slots, kernels, eight_bit=name == EIGHT_BIT)
    return OrderedModel(parameters.vocabulary, executor)


_NOT_BUILT = "it was not built while installing, which needs a C++ compiler"


def obstacle(kind: str, device: str) -> str | None:
    """Why the native executor cannot be had for a kind of prior on a device; None if it can."""
    if not device.startswith("cpu"):
        return "it is for CPUs"
    if kind != "transformer":
        return f"it is for Transformers, and this model's prior is of kind {kind}"
    return _NOT_BUILT if library.kernels() is None else None
