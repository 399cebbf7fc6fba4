"""How fast a bundle's codes come, step by step, against what memory allows: `anytime bench engine`."""

from __future__ import annotations

import platform
import statistics
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from models.bundle.networks import load_networks
from models.runtime.choice import available
from models.runtime.executors import build_model
from models.runtime.ordered import OrderedModel
from models.runtime.protocol import SampleRequest

WARM_UP = 3


@dataclass(frozen=True, slots=True)
class Row:
    """One executor at one batch size; times are medians over the repeats, with their quartiles.

    Attributes:
        executor: "reference" is the plain PyTorch one.
        floor_ms: what reading the weights of a step once takes, as this executor holds them.
        floor_ratio: step time over that.
    """

    executor: str
    device: str
    batch: int
    ms_per_step: float
    ms_quartiles: tuple[float, float]
    codes_per_s: float
    floor_ms: float
    floor_ratio: float
    ms_per_decode: float


def benchmark_engine(bundle: Path, device: str, batches: tuple[int, ...], repeats: int) -> dict[str, Any]:
    """Time steps and decodes of a bundle's model at each batch size, with every executor that can be had.

    Args:
        device: "cpu" or "cuda".
        repeats: complete samples per batch size; every step of them is timed.

    Returns:
        A JSON-able document with `rows` and what the numbers were measured on.
    """
    networks = load_networks(bundle, device)
    manifest = networks.manifest
    models = [
        build_model(networks.autoencoder, networks.prior, max(batches), executor)
        for executor in available(networks.prior.config.kind, networks.prior.device.type)
    ]
    floors = [_read_time(model.executor.weight_bytes, device) for model in models]
    # Executors in turn, so that a machine that changes its pace does so for all of them.
    rows = [
        _row(model, device, batch, repeats, floor)
        for batch in batches
        for model, floor in zip(models, floors, strict=True)
    ]
    return {
        "bundle": f"{manifest.name}@{manifest.version}",
        "machine": machine(device),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "buckets": {model.executor.name: list(model.buckets) for model in models},
        "rows": [asdict(row) for row in rows],
    }


def machine(device: str) -> str:
    """The processor's name, as well as the system knows it."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    info = Path("/proc/cpuinfo")
    names = [line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    return f"{len(names)} x {names[0]}" if names else platform.processor() or platform.machine()


def _row(model: OrderedModel, device: str, batch: int, repeats: int, floor: float) -> Row:
    slots = range(batch)
    seeds = count()

    def steps() -> Iterator[float]:
        for slot in slots:
            model.begin(slot, SampleRequest(seed=next(seeds)))
        for _ in range(model.total_codes):
            yield _time(lambda: model.step(slots), device)
        decodes.append(_time(lambda: model.decode(slots), device))
        for slot in slots:
            model.release(slot)

    decodes: list[float] = []
    for _ in range(WARM_UP):
        list(steps())
    decodes.clear()
    times = [seconds for _ in range(repeats) for seconds in steps()]
    low, median, high = statistics.quantiles(times, n=4)
    return Row(
        executor=model.executor.name,
        device=device,
        batch=batch,
        ms_per_step=1e3 * median,
        ms_quartiles=(1e3 * low, 1e3 * high),
        codes_per_s=batch / median,
        floor_ms=1e3 * floor,
        floor_ratio=median / floor,
        ms_per_decode=1e3 * statistics.median(decodes),
    )


def _read_time(size: int, device: str) -> float:
    """Seconds to read that many bytes once, the median of many tries."""
    buffer = torch.randn(size // 4, device=device)
    for _ in range(WARM_UP):
        buffer.sum()
    return statistics.median(_time(buffer.sum, device) for _ in range(101))


def _time(work: Callable[[], object], device: str) -> float:
    _wait(device)
    start = perf_counter()
    work()
    _wait(device)
    return perf_counter() - start


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()
