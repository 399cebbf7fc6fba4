"""A CUDA graph without CUDA: the operations that work consists of are recorded, and replayed on the same memory.

As a graph would, it refuses what makes the host wait for the device, whatever was computed by Python while recording
stays as it was then, and a result is left where it was the first time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from models.runtime.graphs.launcher import Eager, Prepared, Work

# Operations that read numbers on the host, or whose result has a size that only the device knows.
_WAITING = (torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape)

Call = tuple[Any, tuple[Any, ...], dict[str, Any], Any]
"""Operation, its arguments, and its result."""


class HostWaited(AssertionError):
    """Work that was to be recorded asked the device for something."""


class NoWaiting(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Refuses operations that would wait for a device, and copies from one to another; remembers the others."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls: list[Call] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        with self:  # what is made of other operations is looked into
            decomposed = func.decompose(*args, **kwargs)
        if decomposed is not NotImplemented:
            return decomposed
        if any(tag in func.tags for tag in _WAITING):
            raise HostWaited(str(func))
        devices = {each.device for each in tree_leaves((args, kwargs)) if isinstance(each, Tensor) and each.dim()}
        if len(devices | ({torch.device(kwargs["device"])} if kwargs.get("device") else set())) > 1:
            raise HostWaited(f"{func} between {devices}")
        result = func(*args, **kwargs)
        self.calls.append((func, args, kwargs, result))
        return result


def kernels(calls: Iterable[Call]) -> Counter[str]:
    """The operations that compute something: all but views."""

    def is_view(operation: Any) -> bool:
        returned = [each.alias_info for each in operation._schema.returns]
        return any(each is not None and not each.is_write for each in returned)

    return Counter(operation.overloadpacket.__name__ for operation, *_ in calls if not is_view(operation))


class RecordedGraphs(Eager):
    """A launcher whose work is recorded.

    Attributes:
        graphs: those that were prepared, in order.
        launched: the numbers of those that were run, in order.
    """

    def __init__(self) -> None:
        super().__init__(torch.device("cpu"))
        self.graphs: list[RecordedGraph] = []
        self.launched: list[int] = []

    def prepare(self, work: Work) -> Prepared:
        work()  # warm-up
        with NoWaiting() as recorder:
            result = work()
        self.graphs.append(RecordedGraph(self, len(self.graphs), recorder, result))
        return self.graphs[-1]

    def staged(self, numbers: NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(numbers.copy())


class RecordedGraph:
    def __init__(self, launcher: RecordedGraphs, number: int, recorder: NoWaiting, result: Tensor) -> None:
        self._launcher, self.number = launcher, number
        self.calls = recorder.calls
        self.result = result

    def run(self) -> None:
        self._launcher.launched.append(self.number)
        for func, args, kwargs, result in self.calls:
            again = func(*args, **kwargs)
            for old, new in zip(tree_leaves(result), tree_leaves(again), strict=True):
                # A view, or what was changed in place, is where it was.
                if isinstance(old, Tensor) and old.data_ptr() != new.data_ptr():
                    old.copy_(new)
