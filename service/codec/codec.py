"""Takes media to be encoded, and sees to it that each gets exactly one ending, in time."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path

from service.clock import Clock
from service.codec.errand import Errand, Medium
from service.codec.keeper import CodecObserver, Keeper, Reply
from service.codec.timings import Timings
from service.errors import (
    DeadlineInfeasible,
    Draining,
    Overloaded,
    PayloadTooLarge,
    ServiceError,
    UnusableMedia,
    WorkerLost,
)
from service.messages import Encoded, Failed, FromEncoder, TimeUp, Unusable
from service.pool.child import Child
from service.settings import Settings

_ANSWER_S = 0.002  # for an answer to be written by this process
_MOST_LOSSES = 2


class Codec:
    """Every request that the encoder has or will have.

    It has one at a time; the others wait here, so that what is withdrawn costs it nothing, and one that dies takes one
    with it at most. All methods are called from one event loop.

    Args:
        settings: of the encoder, and limits.
        observer: is told about the encoder.
        clock: of the deadlines.
        bundles: tells the folder of each model that there is, by identity.
        start: starts an encoder, instead of the one for these bundles.
    """

    def __init__(
        self,
        settings: Settings,
        observer: CodecObserver,
        clock: Clock,
        bundles: Callable[[], Mapping[str, Path]],
        start: Callable[[], Awaitable[Child[FromEncoder]]] | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._keeper = Keeper(settings, observer, clock, self, bundles, start)
        self._queue: deque[Errand] = deque()
        self._timings = Timings()
        self._closing = False
        self._keeping: asyncio.Task[None] | None = None

    @property
    def on(self) -> bool:
        """Whether this server encodes at all."""
        return self._settings.encoder != "off"

    def open(self) -> None:
        """Be there for requests, until `close`."""
        if self.on:
            self._keeping = asyncio.create_task(self._keeper.run())

    def changed(self) -> None:
        """There are other models."""
        self._keeper.offer()

    async def close(self) -> None:
        """Refuse what waits, let what is being encoded be answered within the shutdown timeout, end the encoder."""
        self._closing = True
        for waiting in list(self._queue):
            self._end(waiting, _draining())
        if self._keeping is None:
            return
        if (errand := self._keeper.current) and not errand.ended:
            with suppress(TimeoutError, ServiceError):
                async with asyncio.timeout(self._settings.shutdown_timeout):
                    await errand.answer()
            if not errand.ended:
                self._end(errand, _draining())
        self._keeping.cancel()
        with suppress(asyncio.CancelledError):
            await self._keeping

    def submit(self, medium: Medium, received: float, deadline: float) -> Errand:
        """Take a request.

        Args:
            received: when its first bytes came, in seconds on the clock.
            deadline: when its last byte is due.

        Raises:
            Draining: the server is shutting down.
            Overloaded: as many wait as may.
            DeadlineInfeasible: it would come too late.
        """
        if self._closing:
            raise _draining()
        if len(self._queue) >= self._settings.encoder_queue:
            raise Overloaded(f"All {self._settings.encoder_queue} places for what waits to be encoded are taken.")
        self._keeper.want()  # even by who is refused now: the next will find an encoder
        now = self._clock.now()
        expects = self._timings.expected(medium.kind, now)
        errand = Errand(os.urandom(8).hex(), medium, received, deadline - self._margin, expects, self._withdraw)
        ready = now + self._keeper.ready_in(now) + self._before(now) + expects
        if ready > errand.due:
            raise self._infeasible(errand, ready)
        self._queue.append(errand)
        errand.expire_in(errand.due - now, self._expire)
        return errand

    # What the keeper asks and tells.

    @property
    def waiting(self) -> bool:
        """See `Desk.waiting`."""
        return bool(self._queue)

    def take(self) -> Errand | None:
        """See `Desk.take`; those for which it is too late are refused."""
        while self._queue:
            errand = self._queue.popleft()
            soonest = self._clock.now() + errand.expects
            if soonest <= errand.due:
                return errand
            self._end(errand, self._infeasible(errand, soonest))
        return None

    def replied(self, errand: Errand, reply: Reply) -> None:
        """See `Desk.replied`."""
        now = self._clock.now()
        if errand.sent is not None:
            self._timings.observe(errand.medium.kind, now, now - errand.sent)
        if not errand.ended:
            self._end(errand, self._too_slow(errand) if isinstance(reply, TimeUp) else _ending(reply))

    def lost(self, errand: Errand) -> None:
        """See `Desk.lost`; it is tried once more."""
        if errand.ended:
            return
        errand.losses += 1
        errand.sent = None
        if self._closing or errand.losses >= _MOST_LOSSES:
            self._end(errand, WorkerLost("The encoder died while it had this request."))
        else:
            self._queue.appendleft(errand)

    def given_up(self) -> None:
        """See `Desk.given_up`."""
        for errand in list(self._queue):
            self._end(errand, WorkerLost("The encoder cannot be started."))

    # What becomes of requests.

    @property
    def _margin(self) -> float:
        """Seconds of every deadline that are not the encoder's."""
        return self._settings.network_ms / 1000 + _ANSWER_S

    def _before(self, now: float) -> float:
        """Seconds for which the encoder has enough to do."""
        seconds = sum(errand.expects for errand in self._queue)
        current = self._keeper.current
        if current is not None and current.sent is not None:
            seconds += max(current.sent + current.expects - now, 0.0)
        return seconds

    def _infeasible(self, errand: Errand, ready: float) -> DeadlineInfeasible:
        """The refusal of a request that would be ready then."""
        budget_ms = 1000 * (errand.due + self._margin - errand.received)
        least_ms = 1000 * (ready + self._margin - errand.received)
        return DeadlineInfeasible(
            f"It cannot be encoded within {budget_ms:.1f} ms; the smallest deadline that would do now is "
            f"{least_ms:.1f} ms.",
            least_ms,
        )

    def _too_slow(self, errand: Errand) -> DeadlineInfeasible:
        """The refusal of one whose time is up. How long it would have taken is not known, only that it is longer."""
        now = self._clock.now()
        return self._infeasible(errand, now + max(errand.expects, now - errand.received))

    def _expire(self, errand: Errand) -> None:
        self._end(errand, self._too_slow(errand))

    def _withdraw(self, errand: Errand) -> None:
        self._end(errand, None)

    def _end(self, errand: Errand, ending: Encoded | ServiceError | None) -> None:
        """Every ending comes through here. What the encoder has, it goes on with, and is not listened to."""
        with suppress(ValueError):
            self._queue.remove(errand)
        errand.end(ending)


def _ending(reply: Encoded | Unusable | Failed) -> Encoded | ServiceError:
    match reply:
        case Encoded():
            return reply
        case Unusable(message=reason, too_large=True):
            return PayloadTooLarge(f"The file {reason}.")
        case Unusable(message=reason):
            return UnusableMedia(f"The file {reason}.")
        case Failed(message=sentence):
            return ServiceError(sentence)


def _draining() -> Draining:
    return Draining("The server is shutting down.")
