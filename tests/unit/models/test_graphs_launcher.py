"""How CUDA graphs are recorded and replayed, with PyTorch's own interface to them played by doubles of its shape."""

from __future__ import annotations

from typing import Any
from unittest.mock import MagicMock, create_autospec

import numpy as np
import pytest
import torch
from torch import Tensor

from models.runtime.graphs.launcher import CudaGraphs


class Cuda:
    """Stands in for `torch.cuda`, and remembers what happened in which order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.log: list[str] = []
        self.recorders: list[tuple[Any, Any]] = []
        self.side = MagicMock(spec=torch.cuda.Stream)
        self.main = MagicMock(spec=torch.cuda.Stream)
        self.side.wait_stream.side_effect = lambda _: self.log.append("side waits")
        self.main.wait_stream.side_effect = lambda _: self.log.append("main waits")
        self.main.synchronize.side_effect = lambda: self.log.append("host waits")
        self.set_device = MagicMock()
        graph = create_autospec(torch.cuda.graph, side_effect=self._recorder)
        for name, double in {
            "Stream": lambda: self.side,
            "current_stream": lambda: self.main,
            "graph_pool_handle": lambda: "pool",
            "CUDAGraph": self._graph,
            "graph": graph,
            "stream": self._stream,
            "set_device": self.set_device,
        }.items():
            monkeypatch.setattr(torch.cuda, name, double)

    def _graph(self) -> MagicMock:
        graph = MagicMock(spec=["replay"])
        graph.replay.side_effect = lambda: self.log.append("replay")
        return graph

    def _recorder(self, _graph: object, pool: object, stream: object) -> MagicMock:
        self.recorders.append((pool, stream))
        return self._span("record")

    def _stream(self, stream: object) -> MagicMock:
        assert stream is self.side
        return self._span("side")

    def _span(self, name: str) -> MagicMock:
        span = MagicMock()
        span.__enter__.side_effect = lambda *_: self.log.append(f"{name}:")
        span.__exit__.side_effect = lambda *_: self.log.append(f":{name}")
        return span


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> Cuda:
    return Cuda(monkeypatch)


def test_work_is_warmed_up_aside_then_recorded_once_and_replayed(cuda: Cuda) -> None:
    launcher = CudaGraphs(torch.device("cuda:1"))
    cuda.set_device.assert_called_once_with(torch.device("cuda:1"))
    results = []

    def work() -> Tensor:
        cuda.log.append("work")
        results.append(torch.zeros(1))
        return results[-1]

    prepared = launcher.prepare(work)
    warm_up = ["side waits", "side:", "work", "work", ":side", "main waits"]
    assert cuda.log == [*warm_up, "record:", "work", ":record"]
    assert prepared.result is results[-1]
    cuda.log.clear()
    prepared.run()
    prepared.run()
    assert cuda.log == ["replay", "replay"]
    assert prepared.result is results[-1]


def test_all_graphs_share_a_pool_and_the_stream_that_they_are_recorded_on(cuda: Cuda) -> None:
    launcher = CudaGraphs(torch.device("cuda"))
    cuda.set_device.assert_not_called()
    first, second = (launcher.prepare(lambda: torch.zeros(1)) for _ in range(2))
    assert cuda.recorders == [("pool", cuda.side)] * 2
    assert first.result is not second.result


def test_numbers_go_by_page_locked_memory_and_only_coming_back_waits(
    cuda: Cuda, monkeypatch: pytest.MonkeyPatch
) -> None:
    launcher = CudaGraphs(torch.device("cuda"))
    pinned: list[Tensor] = []

    def pin(numbers: Tensor) -> Tensor:
        pinned.append(numbers.clone())
        return pinned[-1]

    monkeypatch.setattr(Tensor, "pin_memory", pin)
    assert launcher.staged(np.arange(3)) is pinned[0]
    assert pinned[0].tolist() == [0, 1, 2]
    assert cuda.log == []
    empty = torch.empty

    def locked(shape: torch.Size, *, dtype: torch.dtype, pin_memory: bool) -> Tensor:
        assert pin_memory
        return empty(shape, dtype=dtype)

    monkeypatch.setattr(torch, "empty", locked)
    assert launcher.download(torch.tensor([[1.5, 2.5]])).tolist() == [[1.5, 2.5]]
    assert cuda.log == ["host waits"]
