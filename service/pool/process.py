"""One worker process and its socket, from its first message to its exit."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections import deque
from collections.abc import Callable

from models.errors import AnytimeError
from service.messages import FromWorker, Ready, StartFailed, ToWorker
from service.pool.line import Line

_logger = logging.getLogger(__name__)

_TAIL_LINES = 20
_TERMINATE_S = 2.0


class WorkerStartError(AnytimeError):
    """A worker that did not become ready; the message is its own, or what it last printed."""


class WorkerProcess:
    """A subprocess, the socket that belongs to it alone, and what it last printed.

    Args:
        index: number of the worker.
        process: just launched, with its stderr piped.
        line: the socket that it was given the other end of.
    """

    def __init__(self, index: int, process: asyncio.subprocess.Process, line: Line) -> None:
        self.index = index
        self._process = process
        self._line = line
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._printing = asyncio.create_task(self._read_stderr())
        self._exited = asyncio.create_task(process.wait())

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    async def ready(self, patience: float) -> Ready:
        """Wait for its first message.

        Raises:
            WorkerStartError: it says that it cannot start, exits, or takes longer than `patience` seconds.
        """
        first = self._line.first
        await asyncio.wait({first}, timeout=patience)
        if not first.done():
            raise WorkerStartError(f"worker {self.index} was not ready after {patience:g} s{self._quoted()}")
        if error := self._line.error:
            raise WorkerStartError(f"worker {self.index} sent what cannot be read: {error}") from error
        match first.result():
            case Ready() as ready:
                return ready
            case StartFailed(message=sentence):
                raise WorkerStartError(sentence)
            case None:
                status = await self.end()
                raise WorkerStartError(
                    f"worker {self.index} exited with status {status} while starting{self._quoted()}"
                )
            case other:
                raise WorkerStartError(f"worker {self.index} began with {type(other).__name__} instead of Ready")

    async def serve(self, handle: Callable[[FromWorker], None]) -> None:
        """Pass on its messages until there will be no more, since it has exited or is about to."""
        self._line.serve(handle)
        await self._line.ended
        if error := self._line.error:
            _logger.error("reading from worker %d failed", self.index, exc_info=error)
            self.kill()

    def send(self, message: ToWorker) -> None:
        """Hand a message to the transport. To a process that has exited it goes nowhere, which `serve` will tell."""
        self._line.send(message)

    def kill(self) -> None:
        """End the process at once."""
        self._signal(signal.SIGKILL)

    async def terminate(self) -> None:
        """End the process: politely, then by force; returns when it has exited."""
        self._signal(signal.SIGTERM)
        await asyncio.wait({self._exited}, timeout=_TERMINATE_S)
        self._signal(signal.SIGKILL)
        await self._exited

    async def end(self) -> int:
        """See that the process has exited, and release what belonged to it; returns its exit status.

        The status is negative if a signal ended it. May be called again.
        """
        await self.terminate()
        await self._printing
        self._line.close()
        return await self._exited

    def last_words(self) -> str:
        """The end of what it printed, in one line."""
        return " / ".join(line for line in self._tail if line.strip())

    def _quoted(self) -> str:
        words = self.last_words()
        return f": {words}" if words else ""

    async def _read_stderr(self) -> None:
        stream = self._process.stderr
        assert stream is not None  # noqa: S101  it was asked for
        rest = b""
        while chunk := await stream.read(1 << 16):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._print(line)
        if rest:
            self._print(rest)

    def _print(self, line: bytes) -> None:
        text = line.decode(errors="replace").rstrip()
        self._tail.append(text)
        _logger.info("worker %d: %s", self.index, text)

    def _signal(self, number: int) -> None:
        # Not by `send_signal`, which first collects the status of a process that has just exited, so that the event
        # loop comes too late for it.
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)
