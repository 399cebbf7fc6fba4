"""Starts worker processes, each with a socket of its own."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from service.pool.line import Line
from service.pool.process import WorkerProcess, WorkerStartError
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
        try:
            ours, theirs = socket.socketpair()
        except OSError as error:
            raise WorkerStartError(f"worker {index} cannot be started: {error}") from error
        with theirs:
            try:
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    *("-m", "service.worker", *self._arguments(index, theirs.fileno())),
                    stdin=asyncio.subprocess.DEVNULL,
                    stderr=asyncio.subprocess.PIPE,
                    env=self._environment(),
                    pass_fds=[theirs.fileno()],
                )
            except OSError as error:
                ours.close()
                raise WorkerStartError(f"worker {index} cannot be started: {error}") from error
        _, line = await asyncio.get_running_loop().create_unix_connection(Line, sock=ours)
        return WorkerProcess(index, process, line)

    def _arguments(self, index: int, connection: int) -> list[str]:
        settings = self._settings
        options: dict[str, object] = {
            "--connection": connection,
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

    def _environment(self) -> dict[str, str]:
        """Libraries that read their thread count when they are loaded get it from here."""
        threads = str(self._settings.threads)
        return {**os.environ, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
