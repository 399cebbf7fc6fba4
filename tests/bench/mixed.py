"""Open-loop traffic over everything that the service speaks: HTTP, server-sent events and websockets, in turn.

Every request is sent when it is due, whatever became of those before it, and is followed to its ending and beyond: how
many endings it had is counted, not assumed.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Any

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from service.bench.connections import Connections, Exchange
from service.bench.target import Target
from service.bench.timers import Ticker

PATIENCE_S = 10.0  # beyond its deadline, after which a request counts as one that had no ending
_SOCKETS = 8
_LARGEST_SEED = 2**53 - 1
_STREAM = b"Accept: text/event-stream\r\n"
_ENDINGS = frozenset({"completed", "error"})


class Way(StrEnum):
    """How a request goes."""

    HTTP = "http"
    EVENTS = "events"
    SOCKET = "socket"


@dataclass(slots=True, eq=False)
class Sent:
    """One request and what became of it; times are the event loop's, in seconds.

    Attributes:
        sent: when it left; None if it never did.
        ended: when its first ending came.
        endings: how many there were.
        status: 200 for an answer, else of the problem; None if there was neither.
        problem: the last word of the problem's type, or what else was wrong.
        reasons: why each sample stopped.
        cut: whether its connection was cut here, on purpose, while it was under way.
    """

    way: Way
    due: float
    deadline_ms: float
    sent: float | None = None
    ended: float | None = None
    endings: int = 0
    status: int | None = None
    problem: str | None = None
    reasons: tuple[str, ...] = ()
    cut: bool = False

    @property
    def late_s(self) -> float | None:
        """How long after its deadline its ending came, negative if before; None if none came."""
        return None if self.ended is None else self.ended - self.due - self.deadline_ms / 1000

    @property
    def on_time(self) -> bool:
        """Whether it was answered by its deadline, counted from when it was due."""
        return self.status == HTTPStatus.OK and self.late_s is not None and self.late_s <= 0

    def end(self, now: float, status: int | None, problem: str | None = None, reasons: Sequence[str] = ()) -> None:
        """One more ending."""
        self.endings += 1
        if self.endings == 1:
            self.ended, self.status, self.problem, self.reasons = now, status, problem, tuple(reasons)


class _Output(msgspec.Struct):
    stop_reason: str


class _Problem(msgspec.Struct):
    type: str
    status: int

    @property
    def slug(self) -> str:
        return self.type.rpartition(":")[2]


class _Event(msgspec.Struct):
    """As much of an event, of an answer or of a problem as matters here."""

    type: str = ""
    id: str = ""
    outputs: list[_Output] = []
    problem: _Problem | None = None


_EVENT = msgspec.json.Decoder(_Event)
_PROBLEM = msgspec.json.Decoder(_Problem)


class Mixed:
    """Sends requests and keeps what became of each.

    Args:
        target, model: whom to ask for what.
        deadlines: milliseconds, each as likely as the others.
        seed: decides arrivals, deadlines and ways.

    Attributes:
        all: every request so far, in the order in which they were due.
        strays: messages that belong to no request: each is an ending too many.
    """

    def __init__(self, target: Target, model: str, deadlines: Sequence[float], seed: str) -> None:
        self.all: list[Sent] = []
        self.strays = 0
        self._target = target
        self._model = model
        self._deadlines = deadlines
        self._draw = random.Random(seed)
        self._loop = asyncio.get_running_loop()
        self._connections = Connections(target)
        self._sockets = [_Socket(self, target) for _ in range(_SOCKETS)]
        self._exchanges: dict[Exchange, Sent] = {}

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Ticker]:
        """Connect, and close everything in the end; yields a plain timer that runs beside."""
        await asyncio.gather(*(socket.open() for socket in self._sockets))
        gc.collect()
        gc.disable()  # its pauses would look like the service's
        ticker = Ticker()
        try:
            yield ticker
        finally:
            ticker.stop()
            gc.enable()
            await asyncio.gather(*(socket.close() for socket in self._sockets))
            await self._connections.close()

    async def send(self, rate: float, seconds: float) -> None:
        """Send a Poisson process of so many requests per second, and wait until each has ended, or patience has."""
        due = self._loop.time()
        end = due + seconds
        while (due := due + self._draw.expovariate(rate)) < end:
            await asyncio.sleep(max(due - self._loop.time(), 0))
            self._send(Sent(self._draw.choice(list(Way)), due, self._draw.choice(self._deadlines)))
        last = self._loop.time() + max(self._deadlines) / 1000 + PATIENCE_S
        while self._loop.time() < last and any(not each.endings and not each.cut for each in self.all[-10_000:]):
            await asyncio.sleep(0.05)

    def cut(self, draw: random.Random) -> int:
        """Cut one connection over which something is under way; returns how many requests that touches."""
        busy: list[Exchange | _Socket] = [*self._connections.busy(), *(each for each in self._sockets if each.running)]
        if not busy:
            return 0
        chosen = draw.choice(busy)
        if isinstance(chosen, _Socket):
            return chosen.cut()
        self._exchanges[chosen].cut = True
        self._connections.cut(chosen)
        return 1

    def _send(self, request: Sent) -> None:
        self.all.append(request)
        body = {"model": self._model, "deadline_ms": request.deadline_ms, "seed": self._draw.randint(0, _LARGEST_SEED)}
        if request.way is Way.SOCKET:
            self._draw.choice(self._sockets).send(request, body)
            return
        asked = self._target.request(msgspec.json.encode(body))
        if request.way is Way.EVENTS:
            head, _, rest = asked.partition(b"\r\n")
            asked = head + b"\r\n" + _STREAM + rest
        exchange = Exchange(asked, request.due)
        self._exchanges[exchange] = request
        exchange.done.add_done_callback(lambda _: self._ended(exchange, request))
        self._connections.send(exchange)

    def _ended(self, exchange: Exchange, request: Sent) -> None:
        del self._exchanges[exchange]
        request.sent = exchange.sent
        if exchange.error is not None:
            request.problem = exchange.error
            return
        now, status = exchange.ended or self._loop.time(), exchange.status
        try:
            if status != HTTPStatus.OK:
                request.end(now, status, _PROBLEM.decode(exchange.body).slug)
            elif request.way is Way.HTTP:
                request.end(now, status, reasons=[each.stop_reason for each in _EVENT.decode(exchange.body).outputs])
            else:
                _read_events(exchange.body, request, now)
        except msgspec.DecodeError as error:
            request.problem = f"unreadable: {error}"


def _read_events(body: bytes, request: Sent, now: float) -> None:
    """Every ending in a stream that is over."""
    for line in body.split(b"\n"):
        if line.startswith((b'data: {"type":"completed"', b'data: {"type":"error"')):
            _end(_EVENT.decode(line.removeprefix(b"data: ")), request, now)


def _end(event: _Event, request: Sent, now: float) -> None:
    if event.problem is None:
        request.end(now, HTTPStatus.OK, reasons=[each.stop_reason for each in event.outputs])
    else:
        request.end(now, event.problem.status, event.problem.slug)


class _Socket:
    """One websocket, opened again when it was cut.

    Attributes:
        running: the requests under way on it, by id.
    """

    def __init__(self, owner: Mixed, target: Target) -> None:
        self.running: dict[str, Sent] = {}
        self._known: dict[str, Sent] = {}  # those that have ended, too, so that a second ending is one
        self._owner = owner
        self._url = f"ws://{target.authority}{target.path}/v1/stream"
        self._loop = asyncio.get_running_loop()
        self._socket: ClientConnection | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._number = 0
        self._closing = False

    async def open(self) -> None:
        """Connect."""
        self._socket = await connect(self._url, compression=None, proxy=None, close_timeout=1)
        self._do(self._read(self._socket))

    def send(self, request: Sent, body: dict[str, Any]) -> None:
        """Send a request as soon as the socket takes it."""
        self._number += 1
        name = str(self._number)
        self.running[name] = request
        self._do(self._write(name, request, json.dumps({"type": "generate", "id": name, **body})))

    def cut(self) -> int:
        """Close the socket at once, and open another; returns how many requests were under way."""
        touched = len(self.running)
        for request in self.running.values():
            request.cut = True
        self.running.clear()
        self._known.clear()
        if self._socket is not None:
            self._socket.transport.abort()
            self._socket = None
        self._do(self.open())
        return touched

    async def close(self) -> None:
        """Close it, and wait for what was begun."""
        self._closing = True
        if self._socket is not None:
            await self._socket.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _do(self, work: Any) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _write(self, name: str, request: Sent, text: str) -> None:
        while self._socket is None:  # it is being opened again
            await asyncio.sleep(0.001)
        request.sent = self._loop.time()
        try:
            await self._socket.send(text)
        except ConnectionClosed:
            if not request.cut:
                request.problem = "connection closed"
                self.running.pop(name, None)

    async def _read(self, socket: ClientConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for message in socket:
                event = _EVENT.decode(message)
                if event.type not in _ENDINGS:
                    continue
                request = self.running.pop(event.id, None) or self._known.get(event.id)
                if request is None:
                    self._owner.strays += 1
                    continue
                self._known[event.id] = request
                _end(event, request, self._loop.time())
        if socket is self._socket and not self._closing:  # nobody here has closed it
            for request in self.running.values():
                request.problem = "connection closed"
            self.running.clear()
            self._socket = None
            await self.open()
