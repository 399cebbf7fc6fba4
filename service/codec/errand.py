"""A request to encode as its caller sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from models.media import Fit
from service import messages
from service.errors import ServiceError


class Medium(NamedTuple):
    """What to encode; see `messages.Encode`."""

    model: str
    data: bytes
    media_type: str
    fit: Fit
    lengths: list[int]

    @property
    def kind(self) -> tuple[str, str, int, int]:
        """What requests that take about as long have in common: a file's size by powers of four, and the lengths."""
        return self.model.partition("#")[0], self.media_type, len(self.data).bit_length() // 2, len(self.lengths)


class Errand:
    """A request that was taken, until its one ending.

    Attributes:
        received: when its first bytes came, in seconds on the codec's clock.
        due: when its answer must be here for the last byte to be in time.
        expects: seconds that it is counted on to take.
        sent: when the encoder was given it; None while it waits.
        losses: encoders that died with it.
    """

    def __init__(
        self,
        errand_id: str,
        medium: Medium,
        received: float,
        due: float,
        expects: float,
        withdraw: Callable[[Errand], None],
    ) -> None:
        self.id = errand_id
        self.medium = medium
        self.received = received
        self.due = due
        self.expects = expects
        self.sent: float | None = None
        self.losses = 0
        self._withdraw = withdraw
        self._timer: asyncio.TimerHandle | None = None
        self._ending: asyncio.Future[messages.Encoded | ServiceError | None] = (
            asyncio.get_running_loop().create_future()
        )

    @property
    def ended(self) -> bool:
        """Whether it has had its ending."""
        return self._ending.done()

    async def answer(self) -> messages.Encoded | None:
        """The answer; None after `cancel`.

        Raises:
            ServiceError: came instead.
        """
        ending = await asyncio.shield(self._ending)
        if isinstance(ending, ServiceError):
            raise ending
        return ending

    def cancel(self) -> None:
        """Take the request back; without effect if it has ended."""
        if not self.ended:
            self._withdraw(self)

    def expire_in(self, seconds: float, expire: Callable[[Errand], None]) -> None:
        """For the codec: do this unless it has ended by then."""
        self._timer = asyncio.get_running_loop().call_later(seconds, expire, self)

    def end(self, ending: messages.Encoded | ServiceError | None) -> None:
        """For the codec: the one ending; None if it was cancelled. Raises RuntimeError on a second one."""
        if self.ended:
            raise RuntimeError(f"request {self.id} has ended twice")
        if self._timer:
            self._timer.cancel()
        self._ending.set_result(ending)
