"""An HTTP server that answers by script, in the loop of the test: for clients that must cope with any server."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from service.bench.target import Target

Script = Callable[[dict[str, Any]], Awaitable[bytes | None]]
"""Gets a request's JSON body; returns the bytes of the response, or None to close the connection without one."""


def response(body: object, status: int = 200) -> bytes:
    """A response with a JSON body."""
    content = json.dumps(body).encode()
    return f"HTTP/1.1 {status} Some\r\ncontent-length: {len(content)}\r\n\r\n".encode() + content


def answer(codes: int = 4, quality: float = 1.0, stop_reason: str = "complete", n: int = 1) -> bytes:
    """A response as from `POST /v1/generate`, as far as the load generator reads it."""
    output = {"codes": [0] * codes, "expected_quality": quality, "stop_reason": stop_reason}
    return response({"outputs": [output] * n})


def problem(slug: str, status: int) -> bytes:
    """A response with problem details."""
    return response({"type": f"urn:anytime:problem:{slug}"}, status)


@contextlib.asynccontextmanager
async def scripted(script: Script) -> AsyncIterator[Target]:
    """Serve on a free port."""
    writers: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.add(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
                said = await script(json.loads(await reader.readexactly(length)))
                if said is None:
                    break
                writer.write(said)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        try:
            yield Target("127.0.0.1", port, f"127.0.0.1:{port}", "", secure=False)
        finally:
            for writer in writers:
                writer.close()
            await asyncio.sleep(0.01)  # the handlers notice, and end by themselves
