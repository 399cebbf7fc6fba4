"""One request with one replica."""

from __future__ import annotations

import asyncio

from service import messages
from service.pool.ticket import Generation, Ticket, TicketOwner

_UNTAKEN_LEAST_S, _UNTAKEN_MOST_S = 0.05, 1.0


class FleetTicket(Ticket):
    """A ticket, and the replica that was last asked to answer it."""

    def __init__(
        self, ticket_id: str, generation: Generation, deadline: float, submitted: float, owner: TicketOwner
    ) -> None:
        super().__init__(ticket_id, generation, deadline, submitted, owner)
        self.attempt: Attempt | None = None
        self._shown: dict[int, int] = {}

    def show(self, preview: messages.Preview) -> None:
        """Show a preview, unless a replica that was lost had come further: a picture does not get worse."""
        index, codes = preview.output.index, len(preview.output.codes)
        if codes > self._shown.get(index, 0):
            self._shown[index] = codes
            super().show(preview)


class Attempt:
    """What is known of a request since it was sent to a replica.

    Attributes:
        sent_at: when, in seconds on the front's clock.
        due: the deadline that the replica was told, on the same clock.
        untaken_s: how long it may take until a replica says that it has it: so that there is time to ask another,
            but as long as the way usually takes.
        replica: that has taken it; None until it says so.
        inside: seconds that were the replica's own, or were taken off the deadline already; None without an answer.
        over: whether it has come to an end, or was given up.
        patience: in which the replica is listened to.
    """

    def __init__(self, ticket: FleetTicket, now: float, way_s: float) -> None:
        self.ticket = ticket
        self.sent_at = now
        self.due = ticket.deadline
        self.untaken_s = max(min((ticket.deadline - now) / 4, _UNTAKEN_MOST_S), _UNTAKEN_LEAST_S, way_s)
        self.replica: str | None = None
        self.inside: float | None = None
        self.over = False
        self.patience: asyncio.Timeout = asyncio.timeout(None)

    def give_up(self) -> None:
        """Listen no longer."""
        if not self.over:
            self.over = True
            self.patience.reschedule(asyncio.get_running_loop().time())

    def answered(self, message: messages.Answered) -> None:
        """The answer has come."""
        self.inside = (message.held_ms + message.spent_ms) / 1000


def submit_of(ticket_id: str, asked: Generation, remaining_ms: float, now: float) -> messages.Submit:
    """A request as it is sent."""
    return messages.Submit(
        id=ticket_id,
        model=asked.model,
        remaining_ms=remaining_ms,
        n=asked.n,
        sampling=asked.sampling,
        encoding=asked.encoding,
        min_codes=asked.min_codes,
        max_codes=asked.max_codes,
        target_codes=asked.target_codes,
        priority=asked.priority,
        preview_ms=asked.preview_ms,
        sent_at=now,
    )
