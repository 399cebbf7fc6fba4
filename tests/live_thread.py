"""An app on a real port in a thread of its own, for clients that block."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import FastAPI
from live_server import live

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
