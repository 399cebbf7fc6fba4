"""Starts worker processes, each with a socket of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from service.messages import FromWorker
from service.pool.child import launch
from service.pool.process import WorkerProcess
from service.settings import Settings


class Launcher:
    """Starts the worker processes of one pool.

    Args:
        settings: device, executor, threads, slots and log level of the workers.
        bundles: folders of the models to load.
    """

    def __init__(self, settings: Settings, bundles: Sequence[Path]) -> None:
        self._settings = settings
        self._bundles = bundles

    async def launch(self, index: int) -> WorkerProcess:
        """Start a process for the worker of this number.

        Raises:
            WorkerStartError: the machine refuses.
        """
        arguments, threads = self._arguments(index), self._settings.threads
        return WorkerProcess(index, await launch(f"worker {index}", "service.worker", arguments, threads, FromWorker))

    def _arguments(self, index: int) -> list[str]:
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
        for bundle in self._bundles:
            arguments += ["--bundle", str(bundle)]
        return arguments
