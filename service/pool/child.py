"""A process that this one has started, and the socket between the two."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

import msgspec

from models.errors import AnytimeError
from service.messages import StartFailed
from service.pool.line import Line

Incoming = TypeVar("Incoming")

_logger = logging.getLogger(__name__)

_TAIL_LINES = 20
_TERMINATE_S = 2.0


class WorkerStartError(AnytimeError):
    """A process that did not become ready; the message is its own, or what it last printed."""


class WorkerDied(WorkerStartError):
    """A process that exited without a word before it was ready."""


class WorkerNotReady(WorkerStartError):
    """A process that took longer to become ready than it may."""


class Launched(NamedTuple, Generic[Incoming]):
    """A process just started, its stderr piped, and the socket that it was given the other end of."""

    process: asyncio.subprocess.Process
    line: Line[Incoming]


async def launch(
    name: str, module: str, arguments: Sequence[str], threads: int, incoming: object
) -> Launched[Incoming]:
    """Start `python -m module --connection N *arguments`, N the file descriptor of its end of a socket of its own.

    Args:
        name: what it is called in errors.
        threads: for libraries that read their number when they are loaded.
        incoming: the type, or union, of what it will send.

    Raises:
        WorkerStartError: the machine refuses.
    """
    try:
        ours, theirs = socket.socketpair()
    except OSError as error:
        raise WorkerStartError(f"{name} cannot be started: {error}") from error
    with theirs:
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", module, "--connection", str(theirs.fileno()), *arguments),
                stdin=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                env={**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)},
                pass_fds=[theirs.fileno()],
            )
        except OSError as error:
            ours.close()
            raise WorkerStartError(f"{name} cannot be started: {error}") from error
    _, line = await asyncio.get_running_loop().create_unix_connection(lambda: Line[Incoming](incoming), sock=ours)
    return Launched(process, line)


class Child(Generic[Incoming]):
    """A subprocess, the socket that belongs to it alone, and what it last printed.

    Args:
        name: what it is called in errors and in the log.
        launched: the process and the socket.
    """

    def __init__(self, name: str, launched: Launched[Incoming]) -> None:
        self.name = name
        self._process, self._line = launched
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._printing = asyncio.create_task(self._read_stderr())
        self._exited = asyncio.create_task(self._process.wait())

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    async def first(self, patience: float) -> Incoming:
        """Wait for its first message.

        Raises:
            WorkerStartError: it says that it cannot start.
            WorkerDied: it exits.
            WorkerNotReady: it takes longer than `patience` seconds.
        """
        first = self._line.first
        await asyncio.wait({first}, timeout=patience)
        if not first.done():
            raise WorkerNotReady(f"{self.name} was not ready after {patience:g} s{self._quoted()}")
        if error := self._line.error:
            raise WorkerStartError(f"{self.name} sent what cannot be read: {error}") from error
        message = first.result()
        if message is None:
            status = await self.end()
            raise WorkerDied(f"{self.name} exited with status {status} while starting{self._quoted()}")
        if isinstance(message, StartFailed):
            raise WorkerStartError(message.message)
        return message

    async def serve(self, handle: Callable[[Incoming], None]) -> None:
        """Pass on its messages until there will be no more, since it has exited or is about to."""
        self._line.serve(handle)
        await self._line.ended
        if error := self._line.error:
            _logger.error("reading from %s failed", self.name, exc_info=error)
            self.kill()

    def send(self, message: msgspec.Struct) -> None:
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
        _logger.info("%s: %s", self.name, text)

    def _signal(self, number: int) -> None:
        # Not by `send_signal`, which first collects the status of a process that has just exited, so that the event
        # loop comes too late for it.
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)
