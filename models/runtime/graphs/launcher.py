"""How work on a device is prepared and launched: as CUDA graphs, or as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

Work = Callable[[], Tensor]

_WARM_UP = 2  # libraries choose their kernels and allocate what they need, which must not happen while recording
# One kernel each, which a graph can hold; the third candidate, cuDNN's, plans anew for every shape.
_ATTENTION = [SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]


class Prepared(Protocol):
    """Work that can be launched again and again; it reads and writes the same memory each time.

    Attributes:
        result: what the last run computed, until anything else that was prepared is run.
    """

    @property
    def result(self) -> Tensor:
        """See the class."""

    def run(self) -> None:
        """Launch it, without waiting for it."""


class Launcher(Protocol):
    """The seam between an executor and its device. All that is launched runs in the order of launching.

    Attributes:
        device: where tensors live.
    """

    device: torch.device

    def prepare(self, work: Work) -> Prepared:
        """Make work ready to be launched; it may be run now, any number of times.

        Raises:
            RuntimeError: if the device cannot.
        """

    def staged(self, numbers: NDArray[np.int64]) -> Tensor:
        """Numbers in memory of the host from where `copy_(.., non_blocking=True)` does not wait for the device."""

    def wait(self) -> None:
        """Return once all that was launched has run. Nothing else waits but `download`."""

    def download(self, tensor: Tensor) -> NDArray[Any]:
        """A tensor's numbers on the host, once all that was launched has run."""


class Eager:
    """Work is run as it is, operation by operation, on the CPU: for tests of what graphs are made of."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def prepare(self, work: Work) -> Prepared:
        """See `Launcher.prepare`."""
        return _Run(work)

    def staged(self, numbers: NDArray[np.int64]) -> Tensor:
        """See `Launcher.staged`."""
        return torch.from_numpy(numbers)

    def wait(self) -> None:
        """See `Launcher.wait`: operations on a CPU are done when they return."""

    def download(self, tensor: Tensor) -> NDArray[Any]:
        """See `Launcher.download`."""
        copied: NDArray[Any] = tensor.cpu().numpy().copy()
        return copied


class _Run:
    """Work that is run operation by operation."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self.result = work()

    def run(self) -> None:
        """See `Prepared.run`."""
        self.result = self._work()


class CudaGraphs:
    """Work is recorded once, as a CUDA graph, and replayed.

    The graphs share one pool of memory: what one of them computes on the way lies where the others' does. That is right
    because they run one after another, on the stream that is current.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        if device.index is not None:
            torch.cuda.set_device(device)  # else page-locked memory and streams would belong to another device
        self._pool = torch.cuda.graph_pool_handle()
        self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]

    def prepare(self, work: Work) -> Prepared:
        """See `Launcher.prepare`."""
        with steady_arithmetic():
            self._stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self._stream):
                for _ in range(_WARM_UP):
                    work()
            torch.cuda.current_stream().wait_stream(self._stream)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, pool=self._pool, stream=self._stream):
                result = work()
        return _Replay(graph, result)

    def staged(self, numbers: NDArray[np.int64]) -> Tensor:
        """See `Launcher.staged`.

        PyTorch keeps page-locked memory for the next time, and gives none out again that a copy still reads.
        """
        return torch.from_numpy(numbers).pin_memory()

    def wait(self) -> None:
        """See `Launcher.wait`."""
        torch.cuda.current_stream().synchronize()

    def download(self, tensor: Tensor) -> NDArray[Any]:
        """See `Launcher.download`."""
        host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
        host.copy_(tensor, non_blocking=True)
        self.wait()
        numbers: NDArray[Any] = host.numpy()
        return numbers


class _Replay:
    """A recorded graph, and the place where it leaves its result."""

    def __init__(self, graph: torch.cuda.CUDAGraph, result: Tensor) -> None:
        self._graph = graph
        self.result = result

    def run(self) -> None:
        """See `Prepared.run`."""
        self._graph.replay()


@contextmanager
def steady_arithmetic() -> Iterator[None]:
    """Kernels that add up in an order of their own, not one that depends on the batch or on who is first.

    It takes effect when kernels are chosen, so a graph that is recorded within keeps it. A sum that is split among
    processors (split-K) is split by the batch's size, and convolutions may add with atomic operations.
    """
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    halves = ("allow_fp16_reduced_precision_reduction", "allow_bf16_reduced_precision_reduction")
    sums = {name: (getattr(matmul, name), getattr(matmul, f"{name}_split_k")) for name in halves}
    convolutions = (cudnn.benchmark, cudnn.deterministic)
    try:
        for name in halves:
            setattr(matmul, name, (False, False))
        cudnn.benchmark, cudnn.deterministic = False, True
        with sdpa_kernel(_ATTENTION):
            yield
    finally:
        for name, value in sums.items():
            setattr(matmul, name, value)
        cudnn.benchmark, cudnn.deterministic = convolutions
