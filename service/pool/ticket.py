"""A request as its caller sees it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import NamedTuple, Protocol

from service import messages
from service.errors import ServiceError
from service.scheduler import NORMAL


class Generation(NamedTuple):
    """What to generate; already validated and complete.

    Attributes:
        model: identity of a loaded model.
        n: samples, drawn from (seed, 0) .. (seed, n - 1).
        min_codes, max_codes: 1 <= min_codes <= max_codes <= K.
        target_codes: how many are enough, None for all; a wish where time is scarce, no limit.
        priority: 1 is highest.
        preview_ms: a preview at most this often, None for none.
    """

    model: str
    n: int
    sampling: messages.Sampling
    encoding: messages.Encoding
    min_codes: int
    max_codes: int
    preview_ms: float | None = None
    target_codes: int | None = None
    priority: int = NORMAL


class TicketOwner(Protocol):
    """Whom a ticket passes its holder's wishes to."""

    def extend(self, ticket: Ticket) -> None:
        """This request has another deadline."""

    def stop(self, ticket: Ticket) -> None:
        """Answer this request now."""

    def cancel(self, ticket: Ticket) -> None:
        """Forget this request."""


class Ticket:
    """A submitted request, from the pool's acceptance to its one ending.

    Iterating yields previews, of each sample only the latest that has come by the time the reader asks for more, and
    then the result, once; or raises the `ServiceError` that came instead. No preview is yielded after the ending. After
    `cancel` it just ends. `answer` waits for the end. One reader at a time.

    Attributes:
        deadline: in seconds on the pool's clock.
        submitted: when the pool took it.
        stopped: whether its holder wants the present prefix.
        lead: seconds by which its answer must come earlier, for those that are due at the same time to be written.
        worker: number of the worker that has it, or had it last; None before it had any.
        losses: workers that died or hung with it.
        result: the answer, once there is one.
    """

    def __init__(
        self, ticket_id: str, generation: Generation, deadline: float, submitted: float, owner: TicketOwner
    ) -> None:
        self.id = ticket_id
        self.generation = generation
        self.deadline = deadline
        self.submitted = submitted
        self.stopped = False
        self.lead = 0.0
        self.worker: int | None = None
        self.losses = 0
        self.result: messages.Result | None = None
        self._owner = owner
        self._error: ServiceError | None = None
        self._ended = False
        self._previews: dict[int, messages.Preview] = {}
        self._reader: asyncio.Future[None] | None = None  # whoever waits for news

    async def __aiter__(self) -> AsyncIterator[messages.Preview | messages.Result]:
        """Previews, then the result."""
        while not self._ended:
            if self._previews:
                yield self._previews.pop(next(iter(self._previews)))
            else:
                await self._wait()
        if result := self._ending():
            yield result

    async def answer(self) -> messages.Result | None:
        """The result alone, for a reader who wants nothing else; None after `cancel`.

        Raises:
            ServiceError: came instead.
        """
        while not self._ended:
            await self._wait()
        return self._ending()

    @property
    def ended(self) -> bool:
        """Whether it has had its ending."""
        return self._ended

    def extend(self, deadline: float) -> None:
        """Let the request take until `deadline`; one that is not later than the present one changes nothing."""
        if not self._ended and deadline > self.deadline:
            self.deadline = deadline
            self._owner.extend(self)

    def stop(self) -> None:
        """Ask for the answer now, at the present prefix."""
        if not self._ended:
            self.stopped = True
            self._owner.stop(self)

    def cancel(self) -> None:
        """Take the request back; iteration ends without an answer."""
        if not self._ended:
            self._owner.cancel(self)

    def show(self, preview: messages.Preview) -> None:
        """For the pool: a preview has come; it replaces one of the same sample that was not read."""
        self._previews[preview.output.index] = preview
        self._tell()

    def end(self, ending: messages.Result | ServiceError | None) -> None:
        """For the pool: the one ending; None if it was cancelled. Raises RuntimeError on a second one."""
        if self._ended:
            raise RuntimeError(f"request {self.id} has ended twice")
        self._ended = True
        if isinstance(ending, messages.Result):
            self.result = ending
        else:
            self._error = ending
        self._tell()

    async def _wait(self) -> None:
        self._reader = asyncio.get_running_loop().create_future()
        await self._reader

    def _tell(self) -> None:
        if self._reader and not self._reader.done():
            self._reader.set_result(None)

    def _ending(self) -> messages.Result | None:
        if self._error:
            raise self._error
        return self.result
