"""A websocket over which many requests go at once."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Coroutine
from typing import Any

from bench.sent import EVENT, Sent, end
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from service.bench.target import Target

_ENDINGS = frozenset({"completed", "error"})


class Socket:
    """One websocket, opened again when it was cut.

    Args:
        target: the service.
        stray: is called with each ending that belongs to no request.

    Attributes:
        running: the requests under way on it, by id.
    """

    def __init__(self, target: Target, stray: Callable[[], None]) -> None:
        self.running: dict[str, Sent] = {}
        self._known: dict[str, Sent] = {}  # those that have ended, too, so that a second ending is one
        self._stray = stray
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

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
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
                event = EVENT.decode(message)
                if event.type not in _ENDINGS:
                    continue
                request = self.running.pop(event.id, None) or self._known.get(event.id)
                if request is None:
                    self._stray()
                    continue
                self._known[event.id] = request
                end(event, request, self._loop.time())
        if socket is self._socket and not self._closing:  # nobody here has closed it
            for request in self.running.values():
                request.problem = "connection closed"
            self.running.clear()
            self._socket = None
            await self.open()
