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
GRAPHS, GRAPHS_FP32 = "graphs", "graphs-fp32"
NAMES = (GRAPHS, GRAPHS_FP32, NATIVE, EIGHT_BIT, NULL, REFERENCE)
AUTO, FULL = "auto", "full"
BY_TORCH = frozenset({REFERENCE, GRAPHS, GRAPHS_FP32})

_TRANSFORMERS_ONLY = "it is for Transformers, and this model's prior is of kind {}"


def available(kind: str, device: str) -> tuple[str, ...]:
    """The executors that can be had here for a kind of prior on a device, the plain one first."""
    if graphs_obstacle(kind, device) is None:
        return (REFERENCE, GRAPHS, GRAPHS_FP32)
    return (REFERENCE,) if obstacle(kind, device) else (REFERENCE, NATIVE, EIGHT_BIT)


def choose(kind: str, device: str, wanted: str = FULL, check: EightBitCheck | None = None) -> str:
    """The name of the executor that computes for a prior.

    It depends on nothing but the bundle, the machine and what is installed: the workers of a service must all draw
    the same codes, and executors differ in their last bits, or more.

    Args:
        kind: of the prior.
        device: as PyTorch spells it.
        wanted: the name of one, where "graphs" and "native-int8" round, and "null" computes nothing; or "full": in full
            precision, the native one where it can be had, else the reference; or "auto": the quickest that is known to
            be good enough. On a CPU that is the one of eight bits where the model was checked with it and passed, else
            as "full"; on a CUDA device it is the graphs, which are checked when they are made.
        check: what the bundle says of eight bits; without it "auto" does not take them.

    Raises:
        DeviceError: if one is asked for by name and cannot be had.
    """
    if wanted in {NULL, REFERENCE}:
        return wanted
    if wanted in {GRAPHS, GRAPHS_FP32}:
        if reason := graphs_obstacle(kind, device):
            raise DeviceError(f"the executor {wanted} was asked for, but {reason}")
        return wanted
    reason = obstacle(kind, device)
    if wanted not in {AUTO, FULL}:
        if reason is not None:
            raise DeviceError(f"the native executor was asked for, but {reason}")
        return wanted
    if wanted == AUTO and graphs_obstacle(kind, device) is None:
        return GRAPHS
    if reason is not None:
        return REFERENCE
    return EIGHT_BIT if wanted == AUTO and check is not None and check.passed else NATIVE


def build_without_torch(name: str, parameters: Parameters, slots: int) -> OrderedModel:
    """A model with so many slots, by an executor that was chosen and is none of `BY_TORCH`.

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
        return _TRANSFORMERS_ONLY.format(kind)
    return _NOT_BUILT if library.kernels() is None else None


def graphs_obstacle(kind: str, device: str) -> str | None:
    """The same of the graphs; whether the device can is seen when they are made."""
    if not device.startswith("cuda"):
        return "it is for CUDA devices"
    return None if kind == "transformer" else _TRANSFORMERS_ONLY.format(kind)
