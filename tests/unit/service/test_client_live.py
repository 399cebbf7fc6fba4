"""Both clients against a live app, and against servers that behave badly."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvicorn
from fake_pool import FakePool, FakeTicket, app_over, audio_manifest, manifest, result
from live_server import listening, live, until
from scripted_server import response, scripted
from socket_client import preview

from anytime import (
    Answer,
    AnytimeClient,
    AsyncAnytimeClient,
    ClientError,
    DeadlineInfeasible,
    InvalidRequest,
    ModelNotFound,
    NotUnderstood,
    Overloaded,
    Preview,
    Refused,
    Retries,
    TimedOut,
    TryLater,
    Unreachable,
)
from service import errors
from service.client.samples import Output
from service.encode import encode
from service.settings import Settings

LONG = 30_000.0
SETTINGS = Settings(max_samples=8, max_scale=4, default_deadline_ms=700)
BUSY = {"type": "urn:anytime:problem:overloaded", "title": "Overloaded", "status": 503, "retry_after_s": 0}
TIMING = dict.fromkeys(("queue_ms", "sample_ms", "decode_ms", "encode_ms", "total_ms"), 1.0)
OUTPUT = {"index": 0, "media_type": "image/png", "codes": [5], "codes_total": 4, "expected_quality": 0.5}
ANSWER = {
    "id": "a",
    "model": "tiny",
    "outputs": [{**OUTPUT, "seed": 7, "label": None, "stop_reason": "deadline", "b64": "UE5H"}],
    "deadline_ms": 50.0,
    "timing": TIMING,
}

PIXEL = encode(manifest().media, np.zeros((1, 4, 4), np.float32), "png")

Call = Callable[..., Awaitable[Any]]


@pytest.fixture
def pool() -> FakePool:
    return FakePool(manifest(), audio_manifest())


@pytest.fixture
async def url(pool: FakePool) -> AsyncIterator[str]:
    async with live(app_over(pool, SETTINGS), SETTINGS) as address:
        yield f"http://{address}"


class Both:
    """One of the clients: every method is awaited, and the one that is not asynchronous runs in a thread."""

    def __init__(self, kind: str, url: str, **options: Any) -> None:
        self.client: Any = AnytimeClient(url, **options) if kind == "sync" else AsyncAnytimeClient(url, **options)
        self.threaded = kind == "sync"

    def __getattr__(self, name: str) -> Call:
        method = getattr(self.client, name)

        async def call(*arguments: Any, **options: Any) -> Any:
            if self.threaded:
                return await asyncio.to_thread(method, *arguments, **options)
            return await method(*arguments, **options)

        return call

    async def each(self, stream: Any) -> AsyncIterator[Preview | Answer]:
        """What a stream shows, one after another."""
        while True:
            found = await asyncio.to_thread(next, stream, None) if self.threaded else await anext(stream, None)
            if found is None:
                return
            yield found

    async def act(self, method: Callable[..., Any], *arguments: float) -> None:
        found = method(*arguments)
        if not self.threaded:
            await found


def bare(app: Any) -> AbstractAsyncContextManager[str]:
    """Serve any ASGI app."""
    return listening(uvicorn.Config(app, lifespan="off", ws="websockets-sansio", log_config=None))


def answering(content: bytes, paths: list[str]) -> Any:
    """An app that gives one answer to all, sockets too, and notes what they ask for."""

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        paths.append(scope["path"])
        extension = "websocket.http.response" if scope["type"] == "websocket" else "http.response"
        await send({"type": f"{extension}.start", "status": 200, "headers": []})
        await send({"type": f"{extension}.body", "body": content})

    return app


@pytest.fixture(params=["sync", "asyncio"])
def kind(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
async def client(kind: str, url: str) -> AsyncIterator[Both]:
    both = Both(kind, url)
    yield both
    await both.close()


async def test_an_answer_is_typed(client: Both, pool: FakePool) -> None:
    answer = await client.generate(
        model="tiny", label="bag", seed=7, n=2, index=3, temperature=0.5, scale=2, deadline_ms=LONG
    )
    assert isinstance(answer, Answer)
    assert [each.index for each in answer.outputs] == [3, 4]
    first = answer.output
    assert isinstance(first, Output)
    assert (first.model, first.seed, first.label, first.codes) == ("tiny", 7, "Bag", (0, 1, 2, 3))
    assert (first.temperature, first.top_k, first.scale, first.stop_reason) == (0.5, None, 2, "complete")
    assert first.complete
    assert first.data.startswith(b"\x89PNG")
    assert repr(first) == "<Output of tiny, Bag: 4 of 4 codes, image/png of 19 bytes>"
    assert answer.timing.sample_ms == 3.0
    assert 0 < answer.client_ms < LONG
    asked = pool.tickets[0]
    assert 0 < LONG - (asked.deadline - pool.clock.now()) * 1000 < LONG
    assert asked.generation.sampling.temperature == 0.5


async def test_models_and_readiness(client: Both, kind: str) -> None:
    models = await client.models()
    assert [each.name for each in models] == ["tiny", "clips"]
    assert models[0].labels == ("Boot", "Bag", "Coat")
    assert models[1].media.sample_rate == 8000
    assert models[1].media.formats == ("wav", "flac", "ogg", "npy")
    assert await client.ready() is True
    with socket.create_server(("127.0.0.1", 0)) as listener:
        nobody = f"http://127.0.0.1:{listener.getsockname()[1]}"
    other = Both(kind, nobody)
    assert await other.ready() is False
    with pytest.raises(Unreachable, match=f"cannot reach a server at {nobody}"):
        await other.models()
    with pytest.raises(Unreachable, match=f"cannot reach a server at {nobody}"):
        await other.generate(deadline_ms=LONG)
    with pytest.raises(Unreachable, match=f"cannot reach a server at {nobody}"):
        await anext(other.each(other.client.stream(deadline_ms=LONG)))
    await other.close()


async def test_refining_and_varying_what_came_and_what_was_saved(client: Both, pool: FakePool, tmp_path: Path) -> None:
    pool.on_submit = lambda ticket: ticket.tell(result(ticket, 2, "deadline", PIXEL))
    short = (await client.generate(model="tiny", label=1, seed=7, index=2, scale=4)).output
    for source in (short, short.save(tmp_path / "x.png"), str(tmp_path / "x.png")):
        await client.refine(source, deadline_ms=LONG)
        asked = pool.tickets[-1].generation
        assert (asked.model, asked.n, asked.encoding.scale) == (pool.manifests["tiny"].identity, 1, 4)
        assert (asked.sampling.seed, asked.sampling.index, asked.sampling.label) == (7, 2, 1)
        assert asked.sampling.codes == short.codes == (0, 1)
        answer = await client.vary(source, n=3, keep=1, scale=1)
        asked = pool.tickets[-1].generation
        assert (asked.n, asked.encoding.scale, asked.sampling.codes) == (3, 1, (0,))
        assert asked.sampling.seed != 7
        assert len(answer.outputs) == 3


async def test_refusals_are_told_apart(client: Both, pool: FakePool) -> None:
    with pytest.raises(ModelNotFound, match="404 model not found"):
        await client.generate(model="nope")
    with pytest.raises(InvalidRequest) as invalid:
        await client.generate(model="tiny", n=99)
    assert [each.field for each in invalid.value.problem.errors] == ["n"]
    pool.refuse_with(errors.DeadlineInfeasible("No.", 3.25))
    with pytest.raises(DeadlineInfeasible) as infeasible:
        await client.generate(model="tiny", deadline_ms=LONG)
    assert infeasible.value.minimum_deadline_ms == 3.25
    with pytest.raises(DeadlineInfeasible):
        await anext(client.each(client.client.stream(model="tiny", deadline_ms=LONG)))
    pool.refuse_with(errors.Overloaded("Full."))
    with pytest.raises(Overloaded):  # whose Retry-After is a second, which there is not
        await client.generate(model="tiny", deadline_ms=900)
    with pytest.raises(Overloaded):
        await anext(client.each(client.client.stream(model="tiny", deadline_ms=900)))


async def test_a_stream_of_previews_and_the_answer(client: Both, pool: FakePool) -> None:
    def answer(ticket: FakeTicket) -> None:
        for codes in (1, 2):
            ticket.tell(preview(ticket, codes, data=b"p" * codes))

    pool.on_submit = answer
    stream = client.client.stream(model="tiny", label="coat", n=2, deadline_ms=LONG, preview_ms=7)
    seen: list[Preview] = []
    async for event in client.each(stream):
        if isinstance(event, Preview):
            seen.append(event)
            pool.tickets[0].tell(result(pool.tickets[0], 4, "complete", b"whole"))
    assert seen[-1].output.codes in ((0,), (0, 1))
    assert seen[-1].output.data in (b"p", b"pp")
    assert seen[-1].output.label == "Coat"
    assert stream.accepted is not None
    assert (stream.accepted.n, stream.accepted.codes_total) == (2, 4)
    assert [each.data for each in stream.answer.outputs] == [b"whole", b"whole"]
    assert pool.tickets[0].generation.preview_ms == 7


def later(ticket: FakeTicket, deadline: float) -> bool:
    return ticket.deadline > deadline


async def test_a_stream_is_stopped_extended_and_cancelled(client: Both, pool: FakePool) -> None:
    pool.on_submit = lambda ticket: ticket.tell(preview(ticket, 1))
    stream = client.client.stream(model="tiny", deadline_ms=LONG)
    async for event in client.each(stream):
        if isinstance(event, Preview):
            (ticket,) = pool.tickets
            before = ticket.deadline
            await client.act(stream.extend, LONG + 10_000)
            await until(partial(later, ticket, before))
            assert ticket.deadline == pytest.approx(before + 10, abs=0.01)
            await client.act(stream.stop)
    assert stream.answer.output.stop_reason == "client_stop"
    stream = client.client.stream(model="tiny", deadline_ms=LONG)
    async for _ in client.each(stream):
        if not pool.tickets[1].cancelled:
            await client.act(stream.cancel)
            await until(lambda: pool.tickets[1].cancelled)
            break
    assert [event async for event in client.each(stream)] == []
    assert stream.answer is None


async def test_a_stream_that_is_left_is_taken_back(client: Both, pool: FakePool) -> None:
    pool.on_submit = lambda ticket: ticket.tell(preview(ticket, 1))
    stream = client.client.stream(model="tiny", deadline_ms=LONG)
    assert isinstance(await anext(client.each(stream)), Preview)
    await client.act(stream.close) if not client.threaded else await asyncio.to_thread(stream.close)
    await until(lambda: pool.tickets[0].cancelled)


async def test_the_key_is_shown_everywhere(kind: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str | None] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        shown.append(dict(scope["headers"]).get(b"authorization", b"").decode())
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 403, "headers": []})
            await send({"type": "http.response.body", "body": b""})
        else:
            await send({"type": "websocket.close"})  # which is answered with a 403

    monkeypatch.setenv("ANYTIME_API_KEY", "from-the-environment")
    async with bare(app) as address:
        for options, key in (({}, "from-the-environment"), ({"api_key": "given"}, "given")):
            client = Both(kind, f"http://{address}", **options)
            for call in (
                client.models(),
                client.generate(),
                anext(client.each(client.client.stream())),
            ):
                with pytest.raises(Refused, match="403 forbidden"):
                    await call
            assert shown == [f"Bearer {key}"] * 3
            shown.clear()
            await client.close()
    with pytest.raises(ClientError, match="letters that no key may have"):
        Both(kind, url, api_key="a\nb")


async def test_what_passes_by_itself_is_tried_again(kind: str) -> None:
    """A connection that breaks, a refusal that says when to come back, and then an answer."""
    told: list[dict[str, Any]] = []

    async def script(body: dict[str, Any]) -> bytes | None:
        told.append(body)
        return (None, response(BUSY, 503), response(ANSWER))[len(told) - 1]

    async with scripted(script) as target:
        client = Both(kind, f"http://{target.authority}", retries=Retries(first_wait_ms=1))
        answer = await client.generate(deadline_ms=LONG, label="bag")
        await client.close()
    assert answer.output.data == b"PNG"
    deadlines = [each.pop("deadline_ms") for each in told]
    assert told == [{"label": "bag"}] * 3
    assert LONG > deadlines[0] > deadlines[1] > deadlines[2]


async def test_tries_end(kind: str) -> None:
    tries = 0

    async def script(_body: dict[str, Any]) -> bytes | None:
        nonlocal tries
        tries += 1
        return response(BUSY, 503)

    async with scripted(script) as target:
        client = Both(kind, f"http://{target.authority}", retries=Retries(most=2))
        with pytest.raises(TryLater):
            await client.generate(deadline_ms=LONG)
        await client.close()
    assert tries == 3


async def test_a_server_that_says_nothing(kind: str) -> None:
    """Is waited for until the deadline and a little longer, and not asked again."""
    tries = 0

    async def script(_body: dict[str, Any]) -> bytes | None:
        nonlocal tries
        tries += 1
        await asyncio.sleep(10)
        return None

    async with scripted(script) as target:
        client = Both(kind, f"http://{target.authority}", patience_s=0.05)
        with pytest.raises(TimedOut, match="did not answer in time"):
            await client.generate(deadline_ms=1000.0)
        await client.close()
    assert tries == 1


async def test_what_is_not_an_anytime_server(kind: str) -> None:
    async def script(_body: dict[str, Any]) -> bytes | None:
        return response({"hello": 1})

    async with scripted(script) as target:
        client = Both(kind, f"http://{target.authority}")
        with pytest.raises(NotUnderstood, match="is not one of an anytime server"):
            await client.generate(deadline_ms=LONG)
        await client.close()

    async with bare(answering(b"hello", [])) as address:
        client = Both(kind, f"http://{address}")
        with pytest.raises(NotUnderstood):
            await anext(client.each(client.client.stream(deadline_ms=LONG)))
        with pytest.raises(NotUnderstood):
            await client.models()
        await client.close()


@pytest.mark.parametrize("url", ["ftp://x", "localhost:8000", "", "http://", "http://a:b", "x y"])
def test_what_is_no_address(kind: str, url: str) -> None:
    with pytest.raises(ClientError, match="is not the address of a server"):
        Both(kind, url)


async def test_a_server_below_a_path(kind: str, pool: FakePool, monkeypatch: pytest.MonkeyPatch) -> None:
    """As behind a proxy; and found in the environment."""
    paths: list[str] = []

    async with bare(answering(b'{"models": []}', paths)) as address:
        monkeypatch.setenv("ANYTIME_URL", f"http://{address}/below/")
        client = Both(kind, None)  # type: ignore[arg-type]
        assert await client.models() == ()
        with pytest.raises(NotUnderstood):
            await anext(client.each(client.client.stream(deadline_ms=LONG)))
        assert client.client.url == f"http://{address}/below"
        await client.close()
    assert paths == ["/below/v1/models", "/below/v1/stream"]
