"""The encoder's process: started when somebody wants it, given one request at a time, ended when it is idle."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Protocol, TypeAlias

from service.clock import Clock
from service.codec.errand import Errand
from service.messages import Encode, Encoded, EncoderReady, Failed, FromEncoder, Offer, StartFailed, TimeUp, Unusable
from service.pool.child import Child, WorkerStartError, launch
from service.settings import Settings

_logger = logging.getLogger(__name__)

NAME = "the encoder"
START_GUESS_S = 0.3
"""What a start is counted on to take until one has been seen; hardly any takes less."""
HOPELESS_S = 30.0
"""What takes longer hangs: files are limited in what they hold."""

_FIRST_BACKOFF_S, _LAST_BACKOFF_S, _STEADY_S = 0.5, 30.0, 30.0

Reply: TypeAlias = Encoded | Unusable | TimeUp | Failed


class CodecObserver(Protocol):
    """Who keeps the numbers."""

    def encoder_up(self, up: bool) -> None:
        """The encoder became ready, or is no longer."""

    def encoder_started(self) -> None:
        """An encoder is started."""


class Desk(Protocol):
    """Where the requests are."""

    @property
    def waiting(self) -> bool:
        """Whether there is any."""

    def take(self) -> Errand | None:
        """The next one, which is no longer waiting; None if there is none."""

    def replied(self, errand: Errand, reply: Reply) -> None:
        """What the encoder says of a request that it was given, and that may have ended meanwhile."""

    def lost(self, errand: Errand) -> None:
        """The encoder has died with it."""

    def given_up(self) -> None:
        """There is no encoder, and it will take a while before there may be."""


class Keeper:
    """Runs encoders, one after another, for a desk.

    Args:
        settings: of the encoder.
        observer: is told about it.
        clock: of the deadlines.
        desk: where the requests are.
        bundles: tells the folder of each model that there is, by identity.
        start: starts an encoder, instead of the one for these bundles.

    Attributes:
        current: what the encoder is at.
    """

    def __init__(
        self,
        settings: Settings,
        observer: CodecObserver,
        clock: Clock,
        desk: Desk,
        bundles: Callable[[], Mapping[str, Path]],
        start: Callable[[], Awaitable[Child[FromEncoder]]] | None = None,
    ) -> None:
        self.current: Errand | None = None
        self._settings = settings
        self._observer = observer
        self._clock = clock
        self._desk = desk
        self._bundles = bundles
        self._child: Child[FromEncoder] | None = None
        self._start = start or self._launch
        self._always = settings.encoder == "always"
        self._wanted = self._always
        self._news = asyncio.Event()
        self._ready = False
        self._start_takes = START_GUESS_S
        self._start_began: float | None = None

    def want(self) -> None:
        """There is something to do, or will be soon."""
        self._wanted = True
        self._news.set()

    def offer(self) -> None:
        """Tell the encoder, if there is one, which models there are."""
        if self._child:
            self._child.send(Offer({identity: str(path) for identity, path in self._bundles().items()}))

    def ready_in(self, now: float) -> float:
        """Seconds until there is an encoder, judged by the last start."""
        if self._ready:
            return 0.0
        if self._start_began is None:
            return self._start_takes
        return max(self._start_began + self._start_takes - now, 0.0)

    async def run(self) -> None:
        """One encoder after another, until cancelled."""
        backoff = _FIRST_BACKOFF_S
        while True:
            while not self._wanted:
                await self._next_news(None)
            began = self._start_began = self._clock.now()
            if await self._one(began):
                continue
            self._wanted = self._desk.waiting or self._always
            if self._clock.now() - began >= _STEADY_S:
                backoff = _FIRST_BACKOFF_S
            await asyncio.sleep(backoff)
            backoff = min(2 * backoff, _LAST_BACKOFF_S)

    async def _one(self, began: float) -> bool:
        """One encoder from start to end; whether it was ended here, because nobody wanted it any more."""
        self._observer.encoder_started()
        try:
            child = await self._start()
            try:
                idle = await self._live(child, began)
            finally:
                status = await child.end()
        except WorkerStartError as error:
            _logger.error("%s cannot start: %s", NAME, error)
            self._desk.given_up()
            return False
        finally:
            self._start_began = None
        if not idle:
            _logger.error("%s (process %d) exited: %d", NAME, child.pid, status)
        return idle

    async def _live(self, child: Child[FromEncoder], began: float) -> bool:
        """From its first message until it is gone; True if it was idle for long enough before.

        Raises:
            WorkerStartError: it did not become ready.
        """
        first = await child.first(self._settings.start_timeout)
        if not isinstance(first, EncoderReady):
            raise WorkerStartError(f"{NAME} began with {type(first).__name__} instead of EncoderReady")
        self._start_takes = self._clock.now() - began
        self._ready = True
        self._child = child
        self.offer()  # they may have changed since it was started
        self._observer.encoder_up(True)
        serving = asyncio.create_task(child.serve(self._received))
        serving.add_done_callback(lambda _: self._news.set())
        try:
            return await self._use(child, serving)
        finally:
            self._ready, self._start_began, self._child = False, None, None
            self._observer.encoder_up(False)
            serving.cancel()
            if lost := self.current:
                self.current = None
                self._desk.lost(lost)

    async def _use(self, child: Child[FromEncoder], serving: asyncio.Task[None]) -> bool:
        """Give it one request after another until it is gone; True if it was idle for long enough before."""
        while not serving.done():
            if not self.current and (errand := self._desk.take()):
                self._give(child, errand)
            if await self._next_news(HOPELESS_S if self.current else self._settings.encoder_idle):
                continue
            if self.current:
                _logger.error("%s has said nothing for %g s and is killed", NAME, HOPELESS_S)
                child.kill()
                await serving
            elif not self._always:
                self._wanted = False
                return True
        return False

    def _give(self, child: Child[FromEncoder], errand: Errand) -> None:
        now = self._clock.now()
        errand.sent, self.current = now, errand
        medium = errand.medium
        child.send(
            Encode(
                id=errand.id,
                model=medium.model,
                data=medium.data,
                media_type=medium.media_type,
                fit=medium.fit,
                lengths=medium.lengths,
                most=self._settings.max_media_size,
                remaining_ms=1000 * (errand.due - now),
            )
        )

    def _received(self, message: FromEncoder) -> None:
        errand = self.current
        if errand is None or isinstance(message, (EncoderReady, StartFailed)) or message.id != errand.id:
            _logger.warning("%s sent %s out of turn", NAME, type(message).__name__)
            return
        self.current = None
        self._news.set()
        self._desk.replied(errand, message)

    async def _next_news(self, patience: float | None) -> bool:
        """Wait until something has happened; False if nothing has for so many seconds."""
        try:
            async with asyncio.timeout(patience):
                await self._news.wait()
        except TimeoutError:
            return False
        self._news.clear()
        return True

    async def _launch(self) -> Child[FromEncoder]:
        arguments = ["--log-level", self._settings.log_level]
        for bundle in self._bundles().values():
            arguments += ["--bundle", str(bundle)]
        return Child(NAME, await launch(NAME, "service.encoder", arguments, 1, FromEncoder))
