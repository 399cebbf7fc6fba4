"""The client for programs that wait: httpx and websockets carry out what the core decides."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self, Unpack, assert_never

import httpx
from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from service.client.address import Address
from service.client.base import MODELS, READY, ClientBase, StreamBase, models_in, ready_in, reply_of, sample_of
from service.client.conversation import Conversation, Hear, Heard, Open, Say, Show, Step
from service.client.exchange import Broken, Outcome, Pause, Post, Reply, exchange
from service.client.request import KEPT, Further, Options, Request, refining, varying
from service.client.samples import Answer, Model, Preview, Sample


class AnytimeClient(ClientBase):
    """Asks a server for samples. Keeps connections open; close it, or use it in a `with`. Threads may share it.

    The arguments are those of `ClientBase`.
    """

    def generate(self, **options: Unpack[Options]) -> Answer:
        """The best samples that the deadline allows; `Options` says what may be asked for.

        Raises:
            ClientError: there is no answer; `service.client.errors` says why there may be none.
        """
        return self.ask(Request.of(options))

    def refine(self, source: Sample | str | Path, *, pick: int | None = None, **options: Unpack[Further]) -> Answer:
        """The same sample, finer: its codes are sent back, and those after them drawn.

        Args:
            source: an output of an answer or preview, or a file that was saved from one.
            pick: which of the samples of a file that holds several, from 0 on.

        Raises:
            SampleFileError: the file holds no sample to go on with.
            ClientError: there is no answer.
        """
        return self.ask(refining(sample_of(source, pick), options))

    def vary(
        self,
        source: Sample | str | Path,
        *,
        n: int = 1,
        keep: int = KEPT,
        seed: int | None = None,
        pick: int | None = None,
        **options: Unpack[Further],
    ) -> Answer:
        """Other samples of one look with this one: its first `keep` codes, and others after them.

        Raises:
            ValueError: `keep` is not from 0 to the number of codes that the sample has.
            SampleFileError: the file holds no sample to go on with.
            ClientError: there is no answer.
        """
        return self.ask(varying(sample_of(source, pick), n, keep, seed, options))

    def ask(self, request: Request) -> Answer:
        """What `generate`, `refine` and `vary` do, with a request that was put together before. Raises ClientError."""
        steps = exchange(request, self._terms.budget(request.deadline_ms), self._terms)
        outcome: Outcome = None
        while True:
            try:
                step = steps.send(outcome)
            except StopIteration as end:
                answer: Answer = end.value
                return answer
            if isinstance(step, Pause):
                time.sleep(step.seconds)
                outcome = None
            else:
                outcome = self._post(step)

    def stream(self, *, preview_ms: float | None = 20.0, **options: Unpack[Options]) -> Stream:
        """The same as `generate`, watched: previews at most every `preview_ms` milliseconds, and then the answer.

        The deadline counts from this call; the socket opens when the stream is iterated over.
        """
        return self.stream_request(Request.of(options), preview_ms)

    def stream_request(self, request: Request, preview_ms: float | None = 20.0) -> Stream:
        """A stream of what was put together before, as by `refining` or `varying`."""
        return Stream(Conversation(request, preview_ms, self._terms), self._address)

    def models(self) -> tuple[Model, ...]:
        """The models that are loaded. Raises ClientError."""
        return models_in(self._get(MODELS))

    def ready(self) -> bool:
        """Whether the server takes requests; False also while nobody listens."""
        return ready_in(self._get(READY))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _open(self) -> None:
        self._http = httpx.Client(**self._address.http_options(self._terms.patience_s))

    def _post(self, step: Post) -> Reply | Broken:
        def body() -> Iterator[bytes]:
            yield step.write()

        try:
            return reply_of(self._http.post(content=body(), **self._address.post_options(step)))
        except httpx.HTTPError as error:
            return self._address.http_trouble(error)

    def _get(self, path: str) -> Reply | Broken:
        try:
            return reply_of(self._http.get(self._address.http(path)))
        except httpx.HTTPError as error:
            return self._address.http_trouble(error)


class Stream(StreamBase):
    """An answer that gets better while it is iterated over: previews, and in the end the answer.

    `stop`, `extend` and `cancel` may be called while iterating, and from other threads. Leaving a `with`, or closing
    the stream, takes a request back that has not ended.
    """

    def __init__(self, conversation: Conversation, address: Address) -> None:
        super().__init__(conversation, address)
        self._socket: ClientConnection | None = None
        self._open = contextlib.ExitStack()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Preview | Answer:
        """The next preview, or at last the answer. Raises ClientError if there is none."""
        try:
            while True:
                step = self._conversation.step
                outcome = self._carry_out(step)
                self._conversation.done(outcome)
                if isinstance(step, Show):
                    return step.event
        except BaseException:
            self.close()
            raise

    def stop(self) -> None:
        """Ask for the answer now, with the codes there are; it still has to be iterated to."""
        self._conversation.stop()
        self._tell()

    def extend(self, deadline_ms: float) -> None:
        """Give the request a later deadline, in milliseconds from the call like the first."""
        self._conversation.extend(deadline_ms)
        self._tell()

    def cancel(self) -> None:
        """Take the request back: the iteration ends without an answer."""
        self._conversation.cancel()
        self._tell()

    def close(self) -> None:
        """Close the socket."""
        self._open.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _tell(self) -> None:
        """Send what was ordered, if there is somebody to be told."""
        with contextlib.suppress(WebSocketException, OSError):  # it has ended already, or the iteration will find out
            for text in self._conversation.orders():
                if self._socket is not None:
                    self._socket.send(text)

    def _carry_out(self, step: Step) -> Outcome | Heard:
        match step:
            case Open():
                return self._reconnect(step)
            case Say() | Hear():
                return self._exchange(step)
            case Pause():
                time.sleep(step.seconds)
            case Show():
                pass
            case _:
                assert_never(step)
        return None

    def _reconnect(self, step: Open) -> Reply | Broken | None:
        self.close()
        try:
            opening = connect(**self._address.socket_options(step.path, step.within_s))
            self._socket = self._open.enter_context(opening)
        except (OSError, WebSocketException) as error:
            return self._address.socket_trouble(error)
        return None

    def _exchange(self, step: Say | Hear) -> Outcome | Heard:
        assert self._socket is not None  # noqa: S101 (it was opened before)
        try:
            if isinstance(step, Hear):
                return Heard(self._socket.recv(step.within_s))
            self._socket.send(step.text)
        except (WebSocketException, OSError) as error:
            return self._address.socket_trouble(error)
        return None
