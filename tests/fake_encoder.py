"""An encoder that is no process: a test says what it answers, and when it dies."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from service import messages
from service.messages import Encode, EncoderReady, FromEncoder, Offer
from service.pool.child import Child, WorkerStartError

TIMING = messages.CodingTiming(0.1, 0.2, 0.3)


def encoded(asked: Encode, codes: int = 4) -> messages.Encoded:
    """Codes 0, 1, 2, .., and errors that fall from one length to the next."""
    return messages.Encoded(asked.id, list(range(codes)), [1 / length for length in asked.lengths], TIMING)


class FakeEncoder:
    """One process, as the keeper sees it."""

    def __init__(self, owner: FakeEncoders) -> None:
        self.name, self.pid = "the encoder", 4711
        self.asked: list[Encode] = []
        self.offered: list[dict[str, str]] = []
        self.killed = self.ended = False
        self._owner = owner
        self._gone = asyncio.Event()
        self._handle: Callable[[FromEncoder], None] | None = None

    async def first(self, _patience: float) -> FromEncoder:
        await self._owner.may_start.wait()
        if self._owner.broken:
            raise WorkerStartError("as the test wants")
        return EncoderReady()

    async def serve(self, handle: Callable[[FromEncoder], None]) -> None:
        self._handle = handle
        await self._gone.wait()

    def send(self, message: Encode | Offer) -> None:
        if isinstance(message, Offer):
            self.offered.append(message.bundles)
            return
        self.asked.append(message)
        asyncio.get_running_loop().call_soon(self._owner.on_encode, message, self)

    def reply(self, message: FromEncoder) -> None:
        assert self._handle is not None
        if not self._gone.is_set():
            self._handle(message)

    def kill(self) -> None:
        self.killed = True
        self.die()

    def die(self) -> None:
        self._gone.set()

    async def end(self) -> int:
        self.ended = True
        self.die()
        return -9


class FakeEncoders:
    """Starts them, and keeps those that were started. `on_encode` acts for each."""

    def __init__(self) -> None:
        self.started: list[FakeEncoder] = []
        self.may_start = asyncio.Event()
        self.may_start.set()
        self.broken = False
        self.on_encode: Callable[[Encode, FakeEncoder], None] = lambda asked, encoder: encoder.reply(encoded(asked))

    async def start(self) -> Child[FromEncoder]:
        self.started.append(FakeEncoder(self))
        return cast("Child[FromEncoder]", self.started[-1])

    def answer_with(self, make: Callable[[Encode], FromEncoder]) -> None:
        self.on_encode = lambda asked, encoder: encoder.reply(make(asked))

    def keep(self) -> None:
        """Leave requests unanswered."""
        self.on_encode = lambda _asked, _encoder: None
