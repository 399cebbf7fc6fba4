"""How fast a bundle's codes come, step by step, against what memory allows: `anytime bench engine`."""

from __future__ import annotations

import platform
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from torch.profiler import ProfilerActivity

from models.bundle.networks import load_networks
from models.errors import DeviceError
from models.runtime.choice import available
from models.runtime.executors import build_model
from models.runtime.ordered import OrderedModel
from models.runtime.protocol import SampleRequest

WARM_UP = 3
# Read to learn a CUDA device's bandwidth: far more than its caches hold. A CPU reads as much as there are weights.
_READ_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class Row:
    """One executor at one batch size; times are medians over the repeats, with their quartiles.

    On a CPU each step is timed. On a CUDA device a step is launched before the one before it has ended. So all steps of
    a sample are timed together there, from an idle device until it is idle again.

    Attributes:
        executor: "reference" is the plain PyTorch one.
        floor_ms: what reading the weights of a step once takes, as this executor holds them.
        floor_ratio: step time over that.
        decodes_per_s: samples decoded in a second, brought to the host.
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
    decodes_per_s: float


def benchmark_engine(
    bundle: Path, device: str, batches: tuple[int, ...], repeats: int, profile: Path | None = None
) -> dict[str, Any]:
    """Time steps and decodes of a bundle's model at each batch size, with every executor that can be had.

    Args:
        device: "cpu" or "cuda".
        repeats: complete samples per batch size; all steps of them are timed.
        profile: file for a trace of one more sample by each executor at the first batch size.

    Raises:
        DeviceError: if an executor cannot be had, or there is too little memory for the largest batch.

    Returns:
        A JSON-able document with `rows` and what the numbers were measured on.
    """
    networks = load_networks(bundle, device)
    manifest = networks.manifest
    slots = max(batches)
    try:
        models = [
            build_model(networks.autoencoder, networks.prior, slots, executor)
            for executor in available(networks.prior.config.kind, networks.prior.device.type)
        ]
    except torch.OutOfMemoryError as error:
        raise DeviceError(f"{slots} samples at once do not fit into the memory of {device}: ask for fewer") from error
    floors = [_read_time(model.executor.weight_bytes, device) for model in models]
    # Executors in turn, so that a machine that changes its pace does so for all of them.
    rows = [
        _row(model, device, batch, repeats, floor)
        for batch in batches
        for model, floor in zip(models, floors, strict=True)
    ]
    if profile is not None:
        write_profile(models, batches[0], device, profile)
    return {
        "bundle": f"{manifest.name}@{manifest.version}",
        "machine": machine(device),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "buckets": {model.executor.name: list(model.buckets) for model in models},
        "rows": [asdict(row) for row in rows],
    }


def write_profile(models: Sequence[OrderedModel], batch: int, device: str, path: Path) -> None:
    """Trace the steps of one complete batch and its decode, by each executor in turn, into a Chrome trace (JSON).

    The spans `EXECUTOR: steps` and `EXECUTOR: decode` say which is which. Nothing in the first waits for the device.
    """
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_cuda(device) else [])]
    slots = range(batch)
    with torch.profiler.profile(activities=activities) as traced:
        for model in models:
            for slot in slots:
                model.begin(slot, SampleRequest(seed=slot))
            _wait(device)
            with torch.profiler.record_function(f"{model.executor.name}: steps"):
                model.step(slots, model.total_codes)
            _wait(device)
            with torch.profiler.record_function(f"{model.executor.name}: decode"):
                model.decode(slots)
            for slot in slots:
                model.release(slot)
    traced.export_chrome_trace(str(path))


def machine(device: str) -> str:
    """The processor's name, as well as the system knows it."""
    if on_cuda(device):
        return torch.cuda.get_device_name(device)
    info = Path("/proc/cpuinfo")
    names = [line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    return f"{len(names)} x {names[0]}" if names else platform.processor() or platform.machine()


def _row(model: OrderedModel, device: str, batch: int, repeats: int, floor: float) -> Row:
    slots = range(batch)
    seeds = count()

    def steps() -> Iterator[float]:
        for slot in slots:
            model.begin(slot, SampleRequest(seed=next(seeds)))
        yield from _step_times(model, slots, device)
        decodes.append(_time(lambda: model.decode(slots), device))
        for slot in slots:
            model.release(slot)

    decodes: list[float] = []
    for _ in range(WARM_UP):
        list(steps())
    decodes.clear()
    times = [seconds for _ in range(repeats) for seconds in steps()]
    low, median, high = statistics.quantiles(times, n=4)
    decode = statistics.median(decodes)
    return Row(
        executor=model.executor.name,
        device=device,
        batch=batch,
        ms_per_step=1e3 * median,
        ms_quartiles=(1e3 * low, 1e3 * high),
        codes_per_s=batch / median,
        floor_ms=1e3 * floor,
        floor_ratio=median / floor,
        ms_per_decode=1e3 * decode,
        decodes_per_s=batch / decode,
    )


def _step_times(model: OrderedModel, slots: range, device: str) -> list[float]:
    """Seconds per step of one complete sample in each slot: of each step, or of all as one number; see `Row`."""
    if on_cuda(device):
        _wait(device)  # for what `begin` has launched
        return [_time(lambda: model.step(slots, model.total_codes), device) / model.total_codes]
    return [_time(lambda: model.step(slots), device) for _ in range(model.total_codes)]


def _read_time(size: int, device: str) -> float:
    """Seconds to read that many bytes once from memory, the median of many tries."""
    read = _READ_BYTES if on_cuda(device) else size
    buffer = torch.randn(read // 4, device=device)
    for _ in range(WARM_UP):
        buffer.sum()
    return statistics.median(_time(buffer.sum, device) for _ in range(101)) * size / read


def on_cuda(device: str) -> bool:
    """Whether a device, as PyTorch spells it, is a CUDA device."""
    return device.startswith("cuda")


def _time(work: Callable[[], object], device: str) -> float:
    _wait(device)
    start = perf_counter()
    work()
    _wait(device)
    return perf_counter() - start


def _wait(device: str) -> None:
    if on_cuda(device):
        torch.cuda.synchronize(device)
