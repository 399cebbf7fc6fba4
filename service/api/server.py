"""What the routes of one app share."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.requests import HTTPConnection

from service.access.clients import Clients
from service.access.watch import KeyWatch
from service.api.gate import Gate
from service.api.log import RequestLog
from service.clock import Clock, unix_seconds
from service.codec import Codec
from service.metrics import Metrics
from service.pool import AnyPool
from service.settings import Settings
from service.telemetry.tracer import Tracer


@dataclass
class Server:
    """Settings, pool, codec and metrics of one app, and whether it is shutting down.

    Attributes:
        codec: what encodes.
        clients: who may come in, and what each has in progress.
        keys: follows the file of keys, if there is one.
        pending: requests that take time, were received and have not ended yet.
        gate: what each of them comes through.
        log: where every request leaves a line.
        tracer: what makes spans of them, if they are exported.
        started: when, in Unix seconds.
    """

    settings: Settings
    pool: AnyPool
    metrics: Metrics
    clock: Clock
    codec: Codec
    clients: Clients = field(init=False, repr=False)
    keys: KeyWatch | None = field(default=None, repr=False)
    draining: bool = False
    pending: int = 0
    gate: Gate = field(default_factory=Gate, repr=False)
    log: RequestLog = field(default_factory=RequestLog, repr=False)
    tracer: Tracer | None = field(default=None, repr=False)
    started: int = field(default_factory=unix_seconds)
    _idle: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    _drained: asyncio.Future[tuple[None, None]] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.clients = Clients(self.settings, self.metrics)

    @property
    def ready(self) -> bool:
        """Whether a generation request would be taken now."""
        return self.pool.ready and not self.draining

    def opened(self) -> None:
        """A request that takes time was received."""
        self.pending += 1
        self._idle.clear()

    def closed(self) -> None:
        """One has ended."""
        self.pending -= 1
        if not self.pending:
            self._idle.set()

    def reload(self) -> None:
        """Look at the bundles and read the file of keys again, now."""
        self.pool.rescan()
        if self.keys is not None:
            self.keys.reload()

    async def drain(self) -> None:
        """Fail readiness, then close pool and codec; what runs is answered as it stands. May be called again."""
        self.draining = True
        if self._drained is None:
            self._drained = asyncio.gather(self.pool.close(), self.codec.close())
        await asyncio.shield(self._drained)

    async def idle(self) -> None:
        """Wait until each of these requests has had its ending written."""
        if self.pending:
            await self._idle.wait()


def server_of_app(app: Starlette) -> Server:
    """The server behind an app."""
    server: Server = app.state.server
    return server


def server_of(connection: HTTPConnection) -> Server:
    """The server that a request or websocket came to."""
    return server_of_app(connection.app)
