"""Open-loop traffic over everything that the service speaks: HTTP, server-sent events and websockets, in turn.

Every request is sent when it is due, whatever became of those before it, and is followed to its ending and beyond: how
many endings it had is counted, not assumed.
"""

from __future__ import annotations

import asyncio
import gc
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

import msgspec
from bench.sent import EVENT, PROBLEM, Sent, Way, read_events
from bench.sockets import Socket

from service.bench.capacity import measure
from service.bench.connections import Connections, Exchange
from service.bench.schedule import Ask
from service.bench.target import Model, Target
from service.bench.timers import Ticker

DEADLINES = (100.0, 200.0, 500.0)
"""Milliseconds, each as likely as the others."""

_PATIENCE_S = 10.0  # beyond its deadline, after which a request counts as one that had no ending
_SOCKETS = 8
_LARGEST_SEED = 2**53 - 1
_STREAM = b"Accept: text/event-stream\r\n"
_CAPACITY_S, _CAPACITY_WARMUP_S, _CONCURRENCY = 3.0, 1.0, 64


async def load_of(target: Target, model: Model, load: float, rate: float | None) -> tuple[float | None, float]:
    """The capacity in requests per second, and that many times it; or no capacity, and the rate that is given."""
    if rate is not None:
        return None, rate
    ask = Ask(model.name, model.codes)
    measured = await measure(target, ask, _CAPACITY_S, _CAPACITY_WARMUP_S, _CONCURRENCY)
    return measured.full_per_s, load * measured.full_per_s


class Mixed:
    """Sends requests and keeps what became of each.

    Args:
        target, model: whom to ask for what.
        seed: decides arrivals, deadlines and ways.

    Attributes:
        all: every request so far, in the order in which they were due.
        strays: messages that belong to no request: each is an ending too many.
    """

    def __init__(self, target: Target, model: str, seed: str) -> None:
        self.all: list[Sent] = []
        self.strays = 0
        self._target = target
        self._model = model
        self._draw = random.Random(seed)
        self._loop = asyncio.get_running_loop()
        self._connections = Connections(target)
        self._sockets = [Socket(target, self._stray) for _ in range(_SOCKETS)]
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
            self._send(Sent(self._draw.choice(list(Way)), due, self._draw.choice(DEADLINES)))
        last = self._loop.time() + max(DEADLINES) / 1000 + _PATIENCE_S
        while self._loop.time() < last and any(not each.endings and not each.cut for each in self.all[-10_000:]):
            await asyncio.sleep(0.05)

    def cut(self, draw: random.Random) -> int:
        """Cut one connection over which something is under way; returns how many requests that touches."""
        busy: list[Exchange | Socket] = [*self._connections.busy(), *(each for each in self._sockets if each.running)]
        if not busy:
            return 0
        chosen = draw.choice(busy)
        if isinstance(chosen, Socket):
            return chosen.cut()
        self._exchanges[chosen].cut = True
        self._connections.cut(chosen)
        return 1

    def _stray(self) -> None:
        self.strays += 1

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
                request.end(now, status, PROBLEM.decode(exchange.body).slug)
            elif request.way is Way.HTTP:
                request.end(now, status, reasons=[each.stop_reason for each in EVENT.decode(exchange.body).outputs])
            else:
                read_events(exchange.body, request, now)
        except msgspec.DecodeError as error:
            request.problem = f"unreadable: {error}"
