"""The app behind Ray Serve's own server: when a request came, and what becomes of one whose client has gone."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from api_client import SETTINGS, counted
from fake_pool import FakePool, app_over
from live_server import until

from service.api.rehearsal import Rehearsal
from service.clock import clock_id
from service.fleet.behind import Behind

_BODY = b'{"deadline_ms": 200, "seed": 1}'


def scope(*headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "path": "/v1/generate",
        "raw_path": b"/v1/generate",
        "root_path": "",
        "scheme": "http",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json"), *headers],
        "client": None,
        "server": None,
    }


class Caller:
    """The server in front: what it hands in, and what it gets."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self._body = [{"type": "http.request", "body": _BODY, "more_body": False}]

    async def receive(self) -> Any:
        if not self._body:
            await asyncio.Event().wait()
        return self._body.pop()

    async def send(self, message: Any) -> None:
        self.sent.append(message)


@pytest.fixture
def pool() -> FakePool:
    return FakePool()


async def test_what_the_way_from_the_proxy_took_is_gone(pool: FakePool) -> None:
    app = app_over(pool, SETTINGS)
    async with app.router.lifespan_context(app):
        stamp = f"{clock_id()};{pool.clock.seconds - 0.15:.6f};0.010000".encode()
        caller = Caller()
        await Behind(app, pool.clock, Rehearsal(app).run)(
            scope((b"x-anytime-stamp", stamp)), caller.receive, caller.send
        )
    assert caller.sent[0]["status"] == 200
    assert (b"x-anytime-inside", b"0.150000") in caller.sent[0]["headers"]
    assert pool.tickets[0].deadline - pool.clock.seconds == pytest.approx(0.2 - 0.15 - 0.01, abs=1e-5)


async def test_the_deadline_that_was_hidden_from_the_proxy_counts(pool: FakePool) -> None:
    app = app_over(pool, SETTINGS)
    async with app.router.lifespan_context(app):
        caller = Caller()
        await Behind(app, pool.clock, Rehearsal(app).run)(
            scope((b"x-anytime-timeout-seconds", b"0.05")), caller.receive, caller.send
        )
    assert pool.tickets[0].deadline - pool.clock.seconds == pytest.approx(0.05)


async def test_a_cancelled_request_is_one_whose_client_has_gone(pool: FakePool) -> None:
    app = app_over(pool, SETTINGS)
    pool.keep()
    async with app.router.lifespan_context(app):
        caller = Caller()
        serving = asyncio.ensure_future(
            Behind(app, pool.clock, Rehearsal(app).run)(scope(), caller.receive, caller.send)
        )
        await until(lambda: bool(pool.tickets))
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving
        assert pool.tickets[0].cancelled
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            assert await counted(client) == {("tiny", "client_closed"): 1}


async def test_it_has_rehearsed_before_it_is_said_to_have_started(pool: FakePool) -> None:
    app = app_over(pool, SETTINGS)
    said: list[str] = []
    asked = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive() -> Any:
        return next(asked)

    async def send(message: Any) -> None:
        said.append(f"{message['type']} after {len(pool.tickets)}")

    await Behind(app, pool.clock, Rehearsal(app).run)({"type": "lifespan"}, receive, send)
    assert said == ["lifespan.startup.complete after 1", "lifespan.shutdown.complete after 1"]
