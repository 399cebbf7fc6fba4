"""One request before the first client's, so that it is not that one which pays for whatever is done only once."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import msgspec
from starlette.applications import Starlette
from starlette.types import Message

from service.api.account import Account
from service.api.arrival import Exchange
from service.api.generate import GENERATE_PATH
from service.api.schemas import SOCKET_MESSAGE
from service.api.server import Server, server_of_app
from service.errors import ServiceError
from service.metrics import Metrics

_MESSAGE = b'{"type": "generate", "id": "rehearsal"}'


class Rehearsal:
    """Asks each model for a sample, once; with an exchange of its own that is neither counted nor logged."""

    def __init__(self, app: Starlette) -> None:
        self._app = app
        self._known: set[str] = set()
        self._running: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Ask those that are there now as a client would, one after another."""
        SOCKET_MESSAGE.validate_json(_MESSAGE)
        models = server_of_app(self._app).pool.manifests
        fresh = {manifest.identity: label for label, manifest in models.items() if manifest.identity not in self._known}
        self._known = {manifest.identity for manifest in models.values()}
        for label in fresh.values():
            with suppress(ServiceError):  # if the model cannot serve, its first client is told why
                await _ask(self._app, label)

    def follow(self) -> None:
        """Do so from now on whenever there are other models."""
        server_of_app(self._app).pool.on_change(self._begin)

    def _begin(self) -> None:
        running = asyncio.create_task(self.run())
        self._running.add(running)
        running.add_done_callback(self._running.discard)


async def _ask(app: Starlette, model: str) -> None:
    server = server_of_app(app)
    uncounted = Server(server.settings, server.pool, Metrics(), server.clock, server.codec)
    body = msgspec.json.encode({"model": model, "max_codes": 2, "seed": 0, "format": "npy", "deadline_ms": 10_000})
    await _post(app, body, Exchange(server.clock.now(), "rehearsal", Account(uncounted, server.clock.now())))


async def _post(app: Starlette, body: bytes, exchange: Exchange) -> None:
    request: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        if not request:
            await asyncio.Event().wait()  # this client stays until it is answered
        return request.pop()

    async def send(_message: Message) -> None:
        """The answer is not looked at."""

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "path": GENERATE_PATH,
        "raw_path": GENERATE_PATH.encode(),
        "root_path": "",
        "scheme": "http",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
        "client": None,
        "server": None,
        "app": app,
        "state": {"exchange": exchange},
    }
    await app(scope, receive, send)
