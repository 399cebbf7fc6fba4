"""Whether a device had too little memory for something; imports no PyTorch."""

from __future__ import annotations

import sys


def is_out_of_memory(error: BaseException) -> bool:
    """Whether less would have found room: PyTorch's own error, where it is loaded, or Python's."""
    torch = sys.modules.get("torch")
    return isinstance(error, MemoryError if torch is None else (MemoryError, torch.OutOfMemoryError))
