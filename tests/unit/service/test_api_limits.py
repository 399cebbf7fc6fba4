"""Limits of clients without keys, of websockets and their messages, and of requests that never come to an end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_client import TYPE, counted
from fake_pool import FakePool, app_over, result
from keyed import KeyFile
from live_server import live, until
from socket_client import ending, event, open_socket, outcomes, send
from websockets.exceptions import ConnectionClosed, InvalidStatus

from service.errors import RateLimited
from service.metrics import Metrics
from service.settings import Settings

LATE = 0.05  # seconds of patience with what the tests never finish


# Clients without keys


async def test_requests_in_progress_per_address(pool: FakePool) -> None:
    settings = Settings(max_client_requests=1)
    pool.keep()
    async with (
        live(app_over(pool, settings), settings) as address,
        httpx.AsyncClient(base_url=f"http://{address}") as client,
    ):
        first = asyncio.create_task(client.post("/v1/generate", json={}))
        await until(lambda: bool(pool.tickets))
        response = await client.post("/v1/generate", json={})
        assert (response.status_code, response.json()["type"]) == (429, TYPE + "concurrency-limited")
        assert "This address has 1 requests in progress" in response.json()["detail"]
        assert (await client.get("/readyz")).status_code == 200
        pool.tickets[0].tell(result(pool.tickets[0]))
        assert (await first).status_code == 200
        pool.on_submit = lambda ticket: ticket.tell(result(ticket))
        assert (await client.post("/v1/generate", json={})).status_code == 200
        assert await counted(client) == {("tiny", "complete"): 2, ("unknown", "limited"): 1}


async def test_a_proxy_that_is_trusted_says_who_asks(pool: FakePool) -> None:
    settings = Settings(max_client_requests=1, trusted_proxies="127.0.0.1")
    pool.keep()
    async with (
        live(app_over(pool, settings), settings) as address,
        httpx.AsyncClient(base_url=f"http://{address}") as client,
    ):
        asking = [
            asyncio.create_task(client.post("/v1/generate", json={}, headers={"X-Forwarded-For": f"192.0.2.{number}"}))
            for number in (1, 2)
        ]
        await until(lambda: len(pool.tickets) == 2)
        again = await client.get("/v1/models", headers={"X-Forwarded-For": "192.0.2.2"})
        assert again.status_code == 429
        for ticket in pool.tickets:
            ticket.tell(result(ticket))
        assert [(await each).status_code for each in asking] == [200, 200]


async def test_who_says_that_it_is_a_proxy_is_not_believed(pool: FakePool) -> None:
    settings = Settings(max_client_requests=1)
    pool.keep()
    async with (
        live(app_over(pool, settings), settings) as address,
        httpx.AsyncClient(base_url=f"http://{address}") as client,
    ):
        first = asyncio.create_task(client.post("/v1/generate", json={}))
        await until(lambda: bool(pool.tickets))
        response = await client.get("/v1/models", headers={"X-Forwarded-For": "192.0.2.9"})
        assert response.status_code == 429
        pool.tickets[0].tell(result(pool.tickets[0]))
        await first


# Websockets


async def refusal(address: str) -> tuple[int, dict[str, Any]]:
    with pytest.raises(InvalidStatus) as raised:
        async with open_socket(address):
            pass
    response = raised.value.response
    return response.status_code, json.loads(response.body or b"")


async def test_websockets_are_limited_altogether(pool: FakePool, metrics: Metrics) -> None:
    settings = Settings(max_sockets=1)
    async with live(app_over(pool, settings, metrics), settings) as address:
        async with open_socket(address):
            status, problem = await refusal(address)
            assert (status, problem["type"], problem["retry_after_s"]) == (503, TYPE + "overloaded", 1)
        async with asyncio.timeout(10):
            while True:
                try:
                    async with open_socket(address) as ws:
                        await send(ws, type="generate", id="a")
                        assert (await event(ws))["type"] == "accepted"
                        break
                except InvalidStatus:
                    continue  # the server has not seen the first one go yet
    assert b'anytime_rejections_total{reason="overloaded"}' in metrics.exposition()


async def test_websockets_are_limited_per_address_and_per_key(pool: FakePool, tmp_path: Path) -> None:
    settings = Settings(max_client_sockets=1)
    async with live(app_over(pool, settings), settings) as address, open_socket(address):
        status, problem = await refusal(address)
        assert (status, problem["type"]) == (429, TYPE + "concurrency-limited")
        assert "This address has 1 websockets open" in problem["detail"]
    keys = KeyFile(tmp_path)
    for name in ("a", "b"):
        keys.add(name)
    settings = Settings(max_client_sockets=1, keys=keys.path)
    async with (
        live(app_over(pool, settings), settings) as address,
        open_socket(address, additional_headers=keys.headers("a")),
        open_socket(address, additional_headers=keys.headers("b")),
    ):
        with pytest.raises(InvalidStatus, match="HTTP 429"):
            async with open_socket(address, additional_headers=keys.headers("a")):
                pass


@pytest.fixture
def settings() -> Settings:
    return Settings(max_message_rate=4, max_body_bytes=4096, max_header_bytes=2048)


@pytest.fixture
async def hasty(pool: FakePool, metrics: Metrics, settings: Settings) -> AsyncIterator[str]:
    """`host:port` of a server that has no patience."""
    chosen = settings.model_copy(update={"receive_timeout": LATE})
    async with live(app_over(pool, chosen, metrics), chosen) as each:
        yield each


@asynccontextmanager
async def connection(address: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A plain connection."""
    reader, writer = await asyncio.open_connection(*address.split(":"))
    try:
        yield reader, writer
    finally:
        writer.close()


async def test_messages_that_come_too_fast_are_refused_one_by_one(
    address: str, pool: FakePool, metrics: Metrics
) -> None:
    pool.keep()
    async with open_socket(address) as ws:
        for name in "abcd":
            await send(ws, type="generate", id=name)
            assert (await event(ws))["type"] == "accepted"
        await send(ws, type="generate", id="e")
        error = await event(ws)
        assert (error["id"], error["problem"]["type"]) == ("e", TYPE + "rate-limited")
        assert (error["problem"]["status"], error["problem"]["retry_after_s"]) == (429, 1)
        assert "may send 4 messages per second; slow down, or it will be closed" in error["problem"]["detail"]
        await send(ws, type="stop", id="a")  # not seen, and not the end of that request
        error = await event(ws)
        assert (error["id"], error["problem"]["type"]) == (None, TYPE + "rate-limited")
        pool.clock.spend(0.25)
        await send(ws, type="stop", id="a")
        assert ((await ending(ws))["id"], pool.tickets[0].stopped) == ("a", True)
    await until(lambda: outcomes(metrics) == {"limited": 2, "client_stop": 1, "client_closed": 3})


async def test_whoever_goes_on_too_fast_is_shown_out(address: str, pool: FakePool) -> None:
    pool.keep()
    async with open_socket(address) as ws:
        for _ in range(20):
            await ws.send("{")
        seen = [(await event(ws))["problem"]["status"] for _ in range(9)]
        assert seen == [400] * 4 + [429] * 5
        with pytest.raises(ConnectionClosed) as raised:
            await event(ws)
    assert raised.value.rcvd is not None
    assert (raised.value.rcvd.code, raised.value.rcvd.reason) == (1008, "Rate limited")


async def test_whoever_slows_down_is_forgiven(address: str, pool: FakePool) -> None:
    async with open_socket(address) as ws:
        for _ in range(5):
            for _ in range(8):  # four too many, and then a while of nothing
                await ws.send("{")
            assert [(await event(ws))["problem"]["status"] for _ in range(8)] == [400] * 4 + [429] * 4
            pool.clock.spend(11)


def test_the_wait_for_a_message_is_said_in_seconds() -> None:
    assert RateLimited("Too fast.", 0.001).retry_after_s == 1
    assert RateLimited("Too fast.", 7.2).retry_after_s == 8


async def test_messages_are_measured_in_bytes(address: str, metrics: Metrics) -> None:
    async with open_socket(address) as ws:
        await ws.send('"' + "\U0001f45f" * 1023 + '"')  # 4094 bytes
        assert (await event(ws))["problem"]["status"] == 422
        await ws.send('"' + "\U0001f45f" * 1024 + '"')
        assert (await event(ws))["problem"]["type"] == TYPE + "payload-too-large"
        await ws.send("x" * 20_000)  # too large even to be told so
        with pytest.raises(ConnectionClosed) as raised:
            await event(ws)
        assert raised.value.rcvd is not None
        assert raised.value.rcvd.code == 1009


async def test_what_is_no_request_leaves_nothing_pending(pool: FakePool) -> None:
    settings = Settings()
    app = app_over(pool, settings)
    async with live(app, settings) as address, open_socket(address) as ws:
        for kind in ("stop", "cancel"):
            await send(ws, type=kind, id="none")
        await send(ws, type="extend", id="none", deadline_ms=1)
        await send(ws, type="generate", id="a")
        assert [(await event(ws))["type"] for _ in range(2)] == ["accepted", "completed"]
        await until(lambda: app.state.server.pending == 0)
        await asyncio.wait_for(app.state.server.idle(), 10)


# Requests that never end


async def converse(address: str, *pieces: bytes) -> bytes:
    """All that the server says to these bytes until it closes."""
    async with connection(address) as (reader, writer):
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(LATE / 10)  # so that each is read by itself
        return await asyncio.wait_for(reader.read(), 30)


def problem_in(said: bytes) -> dict[str, Any]:
    head, _, body = said.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json\r\n" in head.lower() + b"\r\n"
    assert b"connection: close" in head.lower()
    found: dict[str, Any] = json.loads(body)
    return found


POST = b"POST /v1/generate HTTP/1.1\r\nHost: a\r\nContent-Length: 30\r\nx-request-id: mine\r\n"


@pytest.mark.parametrize("body", [b"", b"{", b'{"seed": 1'])
async def test_a_body_that_does_not_come(hasty: str, metrics: Metrics, pool: FakePool, body: bytes) -> None:
    said = await converse(hasty, POST + b"\r\n" + body)
    assert said.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    problem = problem_in(said)
    assert (problem["type"], problem["request_id"]) == (TYPE + "request-timeout", "mine")
    assert not pool.tickets
    await until(lambda: outcomes(metrics) == {"invalid": 1})
    assert b'anytime_rejections_total{reason="request-timeout"} 1.0' in metrics.exposition()


async def test_a_body_byte_by_byte_is_no_reason_to_wait_longer(hasty: str) -> None:
    async with connection(hasty) as (reader, writer):
        writer.write(POST.replace(b"30", b"4000") + b"\r\n")
        told = asyncio.create_task(reader.readline())
        async with asyncio.timeout(30):
            while not told.done():
                writer.write(b" ")
                await asyncio.sleep(LATE / 20)
        assert (await told).startswith(b"HTTP/1.1 408 ")


async def test_a_body_that_nobody_reads_is_not_waited_for(hasty: str) -> None:
    said = await converse(hasty, b"GET /livez HTTP/1.1\r\nHost: a\r\nContent-Length: 30\r\n\r\n{", b"{")
    assert said.startswith(b"HTTP/1.1 200 OK\r\n")
    assert said.endswith(b'{"status":"alive"}')


@pytest.mark.parametrize("head", [b"G", b"GET /livez HTTP/1.1\r\n", b"GET /livez HTTP/1.1\r\nHost: a\r\nx-a: b"])
async def test_a_head_that_does_not_come(hasty: str, metrics: Metrics, head: bytes) -> None:
    said = await converse(hasty, head)
    assert said.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert problem_in(said)["type"] == TYPE + "request-timeout"
    assert b'anytime_http_responses_total{route="unknown",status="408"} 1.0' in metrics.exposition()


async def test_a_head_that_is_late_behind_an_answer_says_nothing_into_it(
    hasty: str, pool: FakePool, metrics: Metrics
) -> None:
    pool.keep()
    whole = POST.replace(b"30", b"2") + b"\r\n{}"
    said = await converse(hasty, whole + b"GET /livez")
    assert said == b""  # closed while the first was in progress: nothing is said in the wrong place
    pool.tickets[0].tell(result(pool.tickets[0]))
    await until(lambda: outcomes(metrics) == {"complete": 1})


async def test_what_comes_in_time_in_many_pieces_is_answered(pool: FakePool) -> None:
    settings = Settings()
    async with live(app_over(pool, settings), settings) as address:
        whole = POST.replace(b"30", b"2") + b"Connection: close\r\n\r\n{}"
        said = await converse(address, *(whole[place : place + 9] for place in range(0, len(whole), 9)))
        assert said.startswith(b"HTTP/1.1 200 OK\r\n")


async def test_every_request_of_a_connection_has_its_own_time(pool: FakePool) -> None:
    settings = Settings(receive_timeout=1)
    async with live(app_over(pool, settings), settings) as address, connection(address) as (reader, writer):
        for pause in (0.0, 1.2, 0.0):
            writer.write(b"GET /livez HTTP/1.1\r\nHo")
            await asyncio.sleep(LATE)
            writer.write(b"st: a\r\n\r\n")
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
            assert head.startswith(b"HTTP/1.1 200 OK\r\n")
            await reader.readexactly(len(b'{"status":"alive"}'))
            await asyncio.sleep(pause)  # between two requests a connection may idle as long as it is kept


async def test_a_websocket_outlives_the_patience_with_requests(hasty: str) -> None:
    async with open_socket(hasty) as ws:
        await asyncio.sleep(LATE * 3)
        await send(ws, type="generate", id="a")
        assert (await event(ws))["type"] == "accepted"


# Heads


def get(size: int) -> bytes:
    """A request whose head counts for so many bytes: the path, and the names and values of headers."""
    rest = len(b"/livez") + len(b"Host") + len(b"a") + len(b"Connection") + len(b"close") + len(b"x-a")
    return b"GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\nx-a: " + b"x" * (size - rest) + b"\r\n\r\n"


async def test_heads_up_to_the_limit_are_read(address: str) -> None:
    assert (await converse(address, get(2048))).startswith(b"HTTP/1.1 200 OK\r\n")
    said = await converse(address, get(2049))
    assert said.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
    problem = problem_in(said)
    assert problem["type"] == TYPE + "headers-too-large"
    assert "larger than the 2048 bytes" in problem["detail"]


@pytest.mark.parametrize("start", [b"GET /", b"GET /livez HTTP/1.1\r\nHost: a\r\nx-a: "])
async def test_heads_without_an_end_are_cut_off(address: str, metrics: Metrics, start: bytes) -> None:
    said = await converse(address, start, *[b"x" * 1000] * 3)
    assert said.startswith(b"HTTP/1.1 431 ")
    assert b'anytime_rejections_total{reason="headers-too-large"} 1.0' in metrics.exposition()


async def test_large_bodies_are_no_large_heads(pool: FakePool) -> None:
    settings = Settings(max_header_bytes=1024)
    async with live(app_over(pool, settings), settings) as address:
        body = b'{"seed": 1' + b" " * 50_000 + b"}"
        head = b"POST /v1/generate HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
        assert (await converse(address, head + body)).startswith(b"HTTP/1.1 200 OK\r\n")


async def test_a_websockets_head_is_limited_too(address: str) -> None:
    with pytest.raises(InvalidStatus, match="HTTP 431"):
        async with open_socket(address, additional_headers={"x-a": "x" * 3000}):
            pass


async def test_what_is_not_http_is_answered_with_a_problem(address: str) -> None:
    said = await converse(address, b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert problem_in(said)["type"] == TYPE + "malformed-request"
