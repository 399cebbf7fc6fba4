"""The client for asyncio: the same as `service.client.sync`, awaited."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Self, Unpack, assert_never

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from service.client.address import Address
from service.client.base import MODELS, READY, ClientBase, StreamBase, models_in, ready_in, reply_of, sample_of
from service.client.conversation import Conversation, Hear, Heard, Open, Say, Show, Step
from service.client.exchange import Broken, Outcome, Pause, Post, Reply, exchange
from service.client.request import KEPT, Further, Options, Request, refining, varying
from service.client.samples import Answer, Model, Preview, Sample


class AsyncAnytimeClient(ClientBase):
    """Asks a server for samples. Keeps connections open; close it, or use it in an `async with`.

    The arguments are those of `ClientBase`; the methods are those of `AnytimeClient`, where they are described.
    """

    async def generate(self, **options: Unpack[Options]) -> Answer:
        """The best samples that the deadline allows."""
        return await self.ask(Request.of(options))

    async def refine(
        self, source: Sample | str | Path, *, pick: int | None = None, **options: Unpack[Further]
    ) -> Answer:
        """The same sample, finer."""
        return await self.ask(refining(sample_of(source, pick), options))

    async def vary(
        self,
        source: Sample | str | Path,
        *,
        n: int = 1,
        keep: int = KEPT,
        seed: int | None = None,
        pick: int | None = None,
        **options: Unpack[Further],
    ) -> Answer:
        """Other samples of one look with this one."""
        return await self.ask(varying(sample_of(source, pick), n, keep, seed, options))

    async def ask(self, request: Request) -> Answer:
        """What `generate`, `refine` and `vary` do, with a request that was put together before."""
        steps = exchange(request, self._terms.budget(request.deadline_ms), self._terms)
        outcome: Outcome = None
        while True:
            try:
                step = steps.send(outcome)
            except StopIteration as end:
                answer: Answer = end.value
                return answer
            if isinstance(step, Pause):
                await asyncio.sleep(step.seconds)
                outcome = None
            else:
                outcome = await self._post(step)

    def stream(self, *, preview_ms: float | None = 20.0, **options: Unpack[Options]) -> AsyncStream:
        """The same as `generate`, watched."""
        return self.stream_request(Request.of(options), preview_ms)

    def stream_request(self, request: Request, preview_ms: float | None = 20.0) -> AsyncStream:
        """A stream of what was put together before."""
        return AsyncStream(Conversation(request, preview_ms, self._terms), self._address)

    async def models(self) -> tuple[Model, ...]:
        """The models that are loaded."""
        return models_in(await self._get(MODELS))

    async def ready(self) -> bool:
        """Whether the server takes requests."""
        return ready_in(await self._get(READY))

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.close()

    def _open(self) -> None:
        self._http = httpx.AsyncClient(**self._address.http_options(self._terms.patience_s))

    async def _post(self, step: Post) -> Reply | Broken:
        async def body() -> AsyncIterator[bytes]:
            yield step.write()

        try:
            return reply_of(await self._http.post(content=body(), **self._address.post_options(step)))
        except httpx.HTTPError as error:
            return self._address.http_trouble(error)

    async def _get(self, path: str) -> Reply | Broken:
        try:
            return reply_of(await self._http.get(self._address.http(path)))
        except httpx.HTTPError as error:
            return self._address.http_trouble(error)


class AsyncStream(StreamBase):
    """An answer that gets better while it is iterated over; like `Stream`, awaited."""

    def __init__(self, conversation: Conversation, address: Address) -> None:
        super().__init__(conversation, address)
        self._socket: ClientConnection | None = None
        self._open = contextlib.AsyncExitStack()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Preview | Answer:
        """The next preview, or at last the answer. Raises ClientError if there is none."""
        try:
            while True:
                step = self._conversation.step
                self._conversation.done(await self._carry_out(step))
                if isinstance(step, Show):
                    return step.event
        except StopIteration:
            await self.close()
            raise StopAsyncIteration from None
        except Exception:
            await self.close()
            raise

    async def stop(self) -> None:
        """Ask for the answer now, with the codes there are; it still has to be iterated to."""
        self._conversation.stop()
        await self._tell()

    async def extend(self, deadline_ms: float) -> None:
        """Give the request a later deadline, in milliseconds from the call like the first."""
        self._conversation.extend(deadline_ms)
        await self._tell()

    async def cancel(self) -> None:
        """Take the request back: the iteration ends without an answer."""
        self._conversation.cancel()
        await self._tell()

    async def close(self) -> None:
        """Close the socket."""
        await self._open.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.close()

    async def _tell(self) -> None:
        """Send what was ordered, if there is somebody to be told."""
        with contextlib.suppress(WebSocketException, OSError):  # it has ended already, or the iteration will find out
            for text in self._conversation.orders():
                if self._socket is not None:
                    await self._socket.send(text)

    async def _carry_out(self, step: Step) -> Outcome | Heard:
        match step:
            case Open():
                return await self._reconnect(step)
            case Say() | Hear():
                return await self._exchange(step)
            case Pause():
                await asyncio.sleep(step.seconds)
            case Show():
                pass
            case _:
                assert_never(step)
        return None

    async def _reconnect(self, step: Open) -> Reply | Broken | None:
        await self.close()
        try:
            opening = connect(**self._address.socket_options(step.path, step.within_s))
            self._socket = await self._open.enter_async_context(opening)
        except (OSError, WebSocketException) as error:
            return self._address.socket_trouble(error)
        return None

    async def _exchange(self, step: Say | Hear) -> Outcome | Heard:
        assert self._socket is not None  # noqa: S101 (it was opened before)
        try:
            if isinstance(step, Hear):
                async with asyncio.timeout(step.within_s):
                    return Heard(await self._socket.recv())
            await self._socket.send(step.text)
        except (WebSocketException, OSError) as error:
            return self._address.socket_trouble(error)
        return None
