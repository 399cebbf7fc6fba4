"""Which device computes, and how PyTorch is set up for results that can be repeated."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


class Device(StrEnum):
    """Where networks are trained and run; `auto` takes CUDA if it is there."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


def prepare_torch(device: Device, threads: int | None = None) -> torch.device:
    """Set PyTorch up for repeatable results and find the device; to be called before any arithmetic.

    Args:
        threads: of the CPU; by default one per core.

    Raises:
        DeviceError: if CUDA was asked for and is not there.
    """
    # Threads that wait must sleep, or they take the cores that other processes' threads need to finish; where cores are
    # shared, training is several times faster for it. Read when PyTorch is loaded, and so set before.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import torch

    from models.errors import DeviceError
    from models.runtime import determinism

    determinism.configure()
    # Like use_deterministic_algorithms(True), which also imports the compiler, seconds that nothing here needs.
    torch.set_deterministic_debug_mode("error")
    # Nothing here reads memory before writing it, and filling it first would cost a third of the time.
    deterministic: Any = torch.utils.deterministic  # its type information lacks the property
    deterministic.fill_uninitialized_memory = False
    if threads is not None:
        torch.set_num_threads(threads)
    if device is Device.CUDA and not torch.cuda.is_available():
        raise DeviceError("--device cuda: there is no CUDA device that PyTorch can use")
    use_cuda = device is Device.CUDA or (device is Device.AUTO and torch.cuda.is_available())
    return torch.device("cuda" if use_cuda else "cpu")
