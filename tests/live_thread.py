"""An app on a real port in a thread of its own, for clients that block; and one that lets nobody in without a key."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import FastAPI
from live_server import live
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.settings import Settings

_PATIENCE_S = 30


@contextmanager
def live_in_thread(app: FastAPI, settings: Settings) -> Iterator[str]:
    """Serve the app; yields its URL."""
    addresses: list[str] = []
    started, stop = threading.Event(), threading.Event()

    async def serve() -> None:
        async with live(app, settings) as address:
            addresses.append(address)
            started.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        assert started.wait(_PATIENCE_S)
        yield f"http://{addresses[0]}"
    finally:
        stop.set()
        thread.join(_PATIENCE_S)


class Keyed:
    """Asks for a key as the service does: by header over HTTP, by subprotocol over websockets.

    Args:
        app: what is behind it.
        key: the one that opens it.
    """

    def __init__(self, app: ASGIApp, key: str) -> None:
        self.app = app
        self.key = key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        known = (b"authorization", f"Bearer {self.key}".encode()) in scope["headers"]
        if scope["type"] == "websocket":
            await self._socket(scope, receive, send)
        elif known or not scope["path"].startswith("/v1/"):
            await self.app(scope, receive, send)
        else:
            await JSONResponse({"title": "Unauthorized", "status": 401}, 401)(scope, receive, send)

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        if f"anytime.key.{self.key}" not in scope["subprotocols"]:
            await send({"type": "websocket.close"})
            return

        async def choose(message: Message) -> None:
            if message["type"] == "websocket.accept":
                message["subprotocol"] = "anytime"
            await send(message)

        await self.app(scope, receive, choose)
