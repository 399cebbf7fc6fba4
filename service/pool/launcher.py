"""Starts worker processes, each with a socket of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from service.messages import FromWorker
from service.pool.child import Launched, WorkerStartError, launch
from service.pool.process import WorkerProcess
from service.settings import Settings


class Launcher:
    """Starts the worker processes of one pool.

    Args:
        settings: device, executor, threads, slots and log level of the workers.
        bundles: tells the folders of the models that a worker should load now.
    """

    def __init__(self, settings: Settings, bundles: Callable[[], Iterable[Path]]) -> None:
        self._settings = settings
        self._bundles = bundles

    async def launch(self, index: int, *, strict: bool = False, aside: bool = False) -> WorkerProcess:
        """Start a process for the worker of this number.

        Args:
            strict: it is to start with all of its bundles or not at all.
            aside: it is to load and measure in what time others leave to it.

        Raises:
            WorkerStartError: the machine refuses, or there is no bundle that can be loaded.
        """
        arguments, threads = self._arguments(index, strict=strict, aside=aside), self._settings.threads
        launched: Launched[FromWorker] = await launch(
            f"worker {index}", "service.worker", arguments, threads, FromWorker
        )
        return WorkerProcess(index, launched, aside=aside)

    def _arguments(self, index: int, *, strict: bool, aside: bool) -> list[str]:
        settings = self._settings
        options: dict[str, object] = {
            "--index": index,
            "--device": settings.device,
            "--executor": settings.executor,
            "--threads": settings.threads,
            "--slots": settings.slots,
            "--log-level": settings.log_level,
        }
        if settings.record_costs is not None:
            options["--record-costs"] = settings.record_costs.absolute()
        arguments = [str(part) for option in options.items() for part in option]
        bundles = list(self._bundles())
        if not bundles:
            raise WorkerStartError("there is no bundle that can be loaded")
        for bundle in bundles:
            arguments += ["--bundle", str(bundle)]
        modest = settings.workers * settings.threads >= _processors()
        return [*arguments, *["--strict"] * strict, *["--aside"] * aside, *["--modest"] * modest]


def _processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
