"""The start of a worker process."""

from __future__ import annotations

import argparse
import gc
import logging
import socket
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from models.bundle.manifest import Manifest
from models.errors import AnytimeError, DeviceError
from models.runtime import AnytimeModel, load_model
from models.runtime.choice import NAMES
from service.clock import MonotonicClock
from service.encode import encode, formats_of
from service.messages import Ready, StartFailed, ToWorker
from service.recorded import prepare, write
from service.worker import report
from service.worker.channel import Channel
from service.worker.engine import Engine
from service.worker.loop import Loop
from service.worker.shutdown import Shutdown
from service.worker.warmup import kinds_of, warm_up

_logger = logging.getLogger(__name__)

_DRIVERS = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")  # of NVIDIA, of GPUs under WSL, of AMD


def main(arguments: Sequence[str]) -> int:
    """Load the models, warm up, say `Ready`, serve. Returns the exit status."""
    options = _parse(arguments)
    logging.basicConfig(level=options.log_level.upper(), format="%(levelname)s %(name)s %(message)s")
    shutdown = Shutdown()
    shutdown.install()
    channel = Channel[ToWorker](socket.socket(fileno=options.connection), ToWorker, shutdown.wake)
    try:
        if options.record_costs:
            prepare(options.record_costs)
        device = _device(options.device, options.index)
        loaded = [load_model(path, device, options.slots, options.executor, options.threads) for path in options.bundle]
    except AnytimeError as error:
        channel.send(StartFailed(str(error)))
        channel.close()
        return 1
    engines = _engines(loaded, channel)
    _settle()
    channel.send(_ready(engines, device))
    Loop(engines, channel, MonotonicClock(), shutdown).run()
    channel.close()
    if options.record_costs:
        for engine in engines:
            try:
                write(engine.costs, options.record_costs / f"{engine.name}-{options.index}.json")
            except AnytimeError as error:
                _logger.error("%s", error)
                return 1
    return 0


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="service.worker", description="A worker process; started by the pool.")
    parser.add_argument(
        "--connection", required=True, type=int, help="file descriptor of the socket to the API process"
    )
    parser.add_argument("--bundle", required=True, type=Path, action="append", help="a bundle's folder; repeatable")
    parser.add_argument("--index", required=True, type=int, help="number of this worker, for its share of the devices")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--executor", choices=["auto", *NAMES], default="auto")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--slots", type=int, default=64)
    parser.add_argument("--log-level", default="info")
    parser.add_argument("--record-costs", type=Path, help="folder for what the operations took, written at the end")
    return parser.parse_args(arguments)


def _device(wanted: str, index: int) -> str:
    """The device of this worker; several GPUs are dealt out in turn.

    Raises:
        DeviceError: if CUDA was asked for and is not there.
    """
    if wanted == "cpu" or (wanted == "auto" and not _may_have_gpu()):
        return "cpu"
    import torch  # takes seconds, and may not be needed otherwise

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if wanted == "cuda" and not count:
        raise DeviceError("device cuda was asked for, but PyTorch finds no CUDA device here")
    return f"cuda:{index % count}" if count else "cpu"


def _may_have_gpu() -> bool:
    """Whether a driver shows itself; on Linux all do, as a file."""
    return sys.platform != "linux" or any(Path(file).exists() for file in _DRIVERS)


def _engines(loaded: Sequence[tuple[Manifest, AnytimeModel]], channel: Channel[ToWorker]) -> list[Engine]:
    """Every model, warmed up."""
    clock = MonotonicClock()
    engines = []
    for manifest, model in loaded:
        encode_sample = partial(encode, manifest.media)
        costs = warm_up(model, encode_sample, kinds_of(manifest.media), clock)
        usual = (formats_of(manifest.media)[0], 1)
        engines.append(
            Engine(manifest.name, model, manifest.quality_curve, costs, encode_sample, usual, clock, channel.send)
        )
    return engines


def _settle() -> None:
    """What lives now lives until the end; later garbage is collected when the loop is idle."""
    gc.collect()
    gc.freeze()
    gc.disable()


def _ready(engines: Sequence[Engine], device: str) -> Ready:
    return Ready(
        device=device,
        slots={engine.name: engine.model.slots for engine in engines},
        minimums={engine.name: report.minimum(engine) for engine in engines},
    )
