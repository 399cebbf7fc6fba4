"""One worker process and its socket, from its first message to its exit."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections import deque
from collections.abc import Callable

import msgspec
import zmq.asyncio

from models.errors import AnytimeError
from service.messages import FromWorker, Ready, StartFailed, ToWorker

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
        socket: bound to the address that the process was given.
    """

    def __init__(self, index: int, process: asyncio.subprocess.Process, socket: zmq.asyncio.Socket) -> None:
        self.index = index
        self._process = process
        self._socket = socket
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder[FromWorker](FromWorker)
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
        first = asyncio.ensure_future(self._receive())
        await asyncio.wait({first, self._exited}, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        if not first.done() and self._exited.done():
            # What it said before it exited may still be on its way.
            await asyncio.wait({first}, timeout=0.2)
        if not first.done():
            first.cancel()
            await asyncio.wait({first})
            raise WorkerStartError(await self._why_not_ready(patience))
        try:
            message = first.result()
        except msgspec.DecodeError as error:
            raise WorkerStartError(f"worker {self.index} sent what cannot be read: {error}") from error
        match message:
            case Ready() as ready:
                return ready
            case StartFailed(message=sentence):
                raise WorkerStartError(sentence)
            case other:
                raise WorkerStartError(f"worker {self.index} began with {type(other).__name__} instead of Ready")

    async def serve(self, handle: Callable[[FromWorker], None]) -> int:
        """Pass on its messages until it exits; returns its exit status (negative: the signal that ended it)."""
        reading = asyncio.create_task(self._read(handle))
        await asyncio.wait({reading, self._exited}, return_when=asyncio.FIRST_COMPLETED)
        if reading.done():
            # Whatever ended the reading, there is no telling what would become of the next message.
            _logger.error("reading from worker %d failed", self.index, exc_info=reading.exception())
            self.kill()
        reading.cancel()
        await asyncio.wait({reading})
        return await self._exited

    def send(self, message: ToWorker) -> None:
        """Hand a message to the transport. To a process that has exited it goes nowhere, which `serve` will tell."""
        # Without a high-water mark it is taken at once; if the process is gone it stays until the socket is closed.
        self._socket.send(self._encoder.encode(message))

    def kill(self) -> None:
        """End the process at once."""
        self._signal(signal.SIGKILL)

    async def terminate(self) -> None:
        """End the process: politely, then by force; returns when it has exited."""
        self._signal(signal.SIGTERM)
        await asyncio.wait({self._exited}, timeout=_TERMINATE_S)
        self._signal(signal.SIGKILL)
        await self._exited

    async def end(self) -> None:
        """See that the process has exited, and release what belonged to it. For who started it; nothing may follow."""
        await self.terminate()
        await self._printing
        self._socket.close()

    def last_words(self) -> str:
        """The end of what it printed, in one line."""
        return " / ".join(line for line in self._tail if line.strip())

    async def _why_not_ready(self, patience: float) -> str:
        if not self._exited.done():
            return f"worker {self.index} was not ready after {patience:g} s{self._quoted()}"
        await self._printing
        return f"worker {self.index} exited with status {self._exited.result()} while starting{self._quoted()}"

    def _quoted(self) -> str:
        words = self.last_words()
        return f": {words}" if words else ""

    async def _receive(self) -> FromWorker:
        message: FromWorker = self._decoder.decode(await self._socket.recv())
        return message

    async def _read(self, handle: Callable[[FromWorker], None]) -> None:
        while True:
            handle(await self._receive())

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
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)
