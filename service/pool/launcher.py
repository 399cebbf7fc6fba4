"""Starts worker processes, each with a socket of its own in a folder that is nobody else's."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import zmq
import zmq.asyncio

from service.pool.process import WorkerProcess, WorkerStartError
from service.settings import Settings


class Launcher:
    """Owns what the processes of one pool share on this side.

    Args:
        settings: device, threads, slots and log level of the workers.
        bundles: folders of the models to load.
    """

    def __init__(self, settings: Settings, bundles: Sequence[Path]) -> None:
        self._settings = settings
        self._bundles = bundles
        self._folder = Path(tempfile.mkdtemp(prefix="anytime-"))
        self._context = zmq.asyncio.Context()
        self._incarnations = itertools.count()

    async def launch(self, index: int) -> WorkerProcess:
        """Start a process for the worker of this number; its socket has never been used before.

        Raises:
            WorkerStartError: the machine refuses.
        """
        endpoint = f"ipc://{self._folder}/{next(self._incarnations)}"
        socket = self._context.socket(zmq.PAIR)
        try:
            # Without a high-water mark nothing is dropped; what can pile up is bounded by admission.
            socket.set_hwm(0)
            socket.linger = 0
            socket.bind(endpoint)
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "service.worker", *self._arguments(index, endpoint)),
                stdin=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                env=self._environment(),
            )
        except (OSError, zmq.ZMQError) as error:
            socket.close()
            raise WorkerStartError(f"worker {index} cannot be started: {error}") from error
        return WorkerProcess(index, process, socket)

    def close(self) -> None:
        """Release sockets and folder, once every process has ended."""
        self._context.destroy(linger=0)
        shutil.rmtree(self._folder)

    def _arguments(self, index: int, endpoint: str) -> list[str]:
        settings = self._settings
        options = {
            "--endpoint": endpoint,
            "--parent": os.getpid(),
            "--index": index,
            "--device": settings.device,
            "--threads": settings.threads,
            "--slots": settings.slots,
            "--log-level": settings.log_level,
        }
        arguments = [str(part) for option in options.items() for part in option]
        for bundle in self._bundles:
            arguments += ["--bundle", str(bundle)]
        return arguments

    def _environment(self) -> dict[str, str]:
        """Libraries that read their thread count when they are loaded get it from here."""
        threads = str(self._settings.threads)
        return {**os.environ, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
