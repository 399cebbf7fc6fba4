"""Answers on connections that are kept, closed, or asked twice at once."""

from __future__ import annotations

import asyncio

import pytest
from fake_pool import FakePool, app_over
from live_server import live

from service.settings import Settings

SETTINGS = Settings()


def post(seed: int, version: str = "1.1", *headers: str) -> bytes:
    body = f'{{"seed": {seed}}}'
    lines = [f"POST /v1/generate HTTP/{version}", "Host: test", f"Content-Length: {len(body)}", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


async def read_answer(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    async with asyncio.timeout(10):
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        return head, await reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]))


async def test_two_requests_at_once_are_answered_in_order() -> None:
    async with live(app_over(FakePool(), SETTINGS), SETTINGS) as address:
        reader, writer = await asyncio.open_connection(*address.split(":"))
        writer.write(post(1) + post(2))
        for seed in (1, 2):
            head, body = await read_answer(reader)
            assert head.startswith(b"http/1.1 200 ok\r\n")
            assert b"connection:" not in head
            assert f'"seed":{seed},'.encode() in body
        writer.close()


@pytest.mark.parametrize("asked", [post(1, "1.0"), post(1, "1.1", "Connection: close")])
async def test_who_does_not_want_to_keep_the_connection_is_told_that_it_is_closed(asked: bytes) -> None:
    async with live(app_over(FakePool(), SETTINGS), SETTINGS) as address:
        reader, writer = await asyncio.open_connection(*address.split(":"))
        writer.write(asked)
        head, body = await read_answer(reader)
        assert b"\r\nconnection: close\r\n" in head
        assert b'"seed":1,' in body
        assert await asyncio.wait_for(reader.read(), 10) == b""
        writer.close()


async def test_every_answer_names_its_date_and_its_request() -> None:
    async with live(app_over(FakePool(), SETTINGS), SETTINGS) as address:
        reader, writer = await asyncio.open_connection(*address.split(":"))
        writer.write(post(1, "1.1", "X-Request-Id: mine"))
        head, _ = await read_answer(reader)
        assert b"\r\nx-request-id: mine\r\n" in head
        assert b"\r\ndate: " in head
        writer.close()


async def test_a_reader_who_is_told_to_go_on_is_answered() -> None:
    async with live(app_over(FakePool(), SETTINGS), SETTINGS) as address:
        reader, writer = await asyncio.open_connection(*address.split(":"))
        head, _, body = post(5, "1.1", "Expect: 100-continue").partition(b"\r\n\r\n")
        writer.write(head + b"\r\n\r\n")
        assert (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)).startswith(b"HTTP/1.1 100 ")
        writer.write(body)
        assert b'"seed":5,' in (await read_answer(reader))[1]
        writer.close()
