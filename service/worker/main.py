"""The start of a worker process."""

from __future__ import annotations

import argparse
import gc
import logging
import os
import socket
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from models.bundle.reader import AnyManifest
from models.errors import AnytimeError, DeviceError
from models.runtime import AnytimeModel, load_model
from models.runtime.choice import NAMES
from service.clock import Clock, MonotonicClock, ProcessorClock
from service.encode import encode, formats_of
from service.messages import Ready, StartFailed, ToWorker
from service.recorded import prepare, write
from service.worker import report
from service.worker.channel import Channel
from service.worker.engine import Engine
from service.worker.loop import Loop
from service.worker.shutdown import Shutdown
from service.worker.spare_time import in_spare_time
from service.worker.warmup import kinds_of, warm_up

_logger = logging.getLogger(__name__)

_MODESTY = 5
_DRIVERS = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")  # of NVIDIA, of GPUs under WSL, of AMD


class _Loaded(NamedTuple):
    """The models of a worker, warmed up.

    Attributes:
        failed: why the others could not be loaded, by the folder of the bundle.
    """

    engines: list[Engine]
    failed: dict[str, str]
    device: str


def main(arguments: Sequence[str]) -> int:
    """Load the models, warm up, say `Ready`, serve. Returns the exit status."""
    options = _parse(arguments)
    logging.basicConfig(level=options.log_level.upper(), format="%(levelname)s %(name)s %(message)s")
    shutdown = Shutdown()
    shutdown.ignore_interrupts()
    channel = Channel[ToWorker](socket.socket(fileno=options.connection), ToWorker, shutdown.wake)
    if options.modest:
        os.nice(_MODESTY)  # time lost here costs codes; there it costs deadlines
    try:
        loaded = in_spare_time(partial(_load, options, channel)) if options.aside else _load(options, channel)
    except AnytimeError as error:
        channel.send(StartFailed(str(error)))
        channel.close()
        return 1
    _settle()
    shutdown.install()
    channel.send(_ready(loaded))
    Loop(loaded.engines, channel, MonotonicClock(), shutdown).run()
    channel.close()
    return _record(loaded.engines, options)


def _record(engines: Sequence[Engine], options: argparse.Namespace) -> int:
    """Write what operations took, if that is wanted; returns the exit status."""
    if options.record_costs:
        for engine in engines:
            try:
                write(engine.costs, options.record_costs / f"{engine.reference}-{options.index}.json")
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
    parser.add_argument("--strict", action="store_true", help="start with all bundles or not at all")
    parser.add_argument("--aside", action="store_true", help="load and measure in the time that others leave")
    parser.add_argument(
        "--modest", action="store_true", help="leave the processors to the API process where it wants one"
    )
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--executor", choices=["auto", *NAMES], default="auto")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--slots", type=int, default=64)
    parser.add_argument("--log-level", default="info")
    parser.add_argument("--record-costs", type=Path, help="folder for what the operations took, written at the end")
    return parser.parse_args(arguments)


def _prepare(options: argparse.Namespace) -> None:
    """See that costs can be recorded. That they cannot be prevents the first start, and no later one."""
    try:
        prepare(options.record_costs)
    except AnytimeError as error:
        if options.strict:
            raise
        _logger.error("%s", error)


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


def _load(options: argparse.Namespace, channel: Channel[ToWorker]) -> _Loaded:
    """Load what can be loaded, and warm it up.

    Raises:
        AnytimeError: costs cannot be recorded, there is no such device, or nothing can be loaded; with `strict`, any
            bundle cannot be.
    """
    if options.record_costs:
        _prepare(options)
    device = _device(options.device, options.index)
    loaded: list[tuple[AnyManifest, AnytimeModel]] = []
    failed: dict[str, str] = {}
    for path in options.bundle:
        try:
            loaded.append(load_model(path, device, options.slots, options.executor, options.threads))
        except AnytimeError as error:
            failed[str(path)] = str(error)
            if options.strict or len(failed) == len(options.bundle):
                raise
    # Who is interrupted all the time knows from its own processor time what things will cost when it is not.
    clock = ProcessorClock() if options.aside and device == "cpu" else MonotonicClock()
    return _Loaded([_engine(manifest, model, clock, channel) for manifest, model in loaded], failed, device)


def _engine(manifest: AnyManifest, model: AnytimeModel, clock: Clock, channel: Channel[ToWorker]) -> Engine:
    """A model, warmed up; its costs are measured by the clock that is given."""
    encode_sample = partial(encode, manifest.media)
    costs = warm_up(model, encode_sample, kinds_of(manifest.media), clock)
    usual = (formats_of(manifest.media)[0], 1)
    quality = manifest.quality_curve
    return Engine(manifest.identity, model, quality, costs, encode_sample, usual, MonotonicClock(), channel.send)


def _settle() -> None:
    """What lives now lives until the end; later garbage is collected when the loop is idle."""
    gc.collect()
    gc.freeze()
    gc.disable()


def _ready(loaded: _Loaded) -> Ready:
    return Ready(
        device=loaded.device,
        slots={engine.name: engine.model.slots for engine in loaded.engines},
        minimums={engine.name: report.minimum(engine) for engine in loaded.engines},
        failed=loaded.failed,
    )
