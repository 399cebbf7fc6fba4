"""One request before the first client's, so that it is not that one which pays for whatever is done only once."""

from __future__ import annotations

import asyncio

import msgspec
from starlette.applications import Starlette
from starlette.types import Message

from service.api.account import Account
from service.api.arrival import Exchange
from service.api.generate import GENERATE_PATH
from service.api.schemas import SOCKET_MESSAGE
from service.api.server import Server, server_of_app
from service.metrics import Metrics

_MESSAGE = b'{"type": "generate", "id": "rehearsal"}'


async def rehearse(app: Starlette) -> None:
    """Ask each model for a sample, as a client would; with an exchange of its own it is neither counted nor logged."""
    SOCKET_MESSAGE.validate_json(_MESSAGE)
    server = server_of_app(app)
    uncounted = Server(server.settings, server.pool, Metrics(), server.clock, server.codec)
    for model in server.pool.manifests:
        body = msgspec.json.encode({"model": model, "max_codes": 2, "seed": 0, "format": "npy", "deadline_ms": 10_000})
        await _post(app, body, Exchange(server.clock.now(), "rehearsal", Account(uncounted, server.clock.now())))


async def _post(app: Starlette, body: bytes, exchange: Exchange) -> None:
    request: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        if not request:
            await asyncio.Event().wait()  # this client stays until it is answered
        return request.pop()

    async def send(_message: Message) -> None:
        """The answer is not looked at: if the model cannot serve, its first client is told why."""

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
