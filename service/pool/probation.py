"""Who was with a worker that died or hung is tried once more, apart from others as far as time allows.

One of them may have been the reason. Were they all tried again together, it would take them all with it a second time,
and nobody could say which it was. So each is tried alone: what is then with a second worker that dies is the one. As
long as there is time for that: a crowd with short deadlines is tried a few at a time, as few as will do, since most
workers die of something else, and then everyone is to be answered. Those who are not suspected share a worker with one
who is; should it die, that was their first time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from math import ceil

from service.pool.ticket import Ticket

TRIES = 2
_PACE = 8.0  # how much longer than its smallest answer a suspect is expected to take, beside everything else
_ROUND_S = 0.01
_NO_TIME_S = 1e-4


def company(suspects: Iterable[tuple[float, float]], workers: int) -> int:
    """How many of those who wait may be tried beside each other on a worker, so that all of them come to be in time.

    Args:
        suspects: in order of their deadlines, for how long each could still wait, and what its smallest answer takes;
            seconds.
        workers: that can try them.
    """
    return max(
        (
            ceil(_PACE * number * least / (workers * max(spare, _NO_TIME_S)))
            for number, (spare, least) in enumerate(suspects, start=1)
        ),
        default=1,
    )


class Probation:
    """The requests that wait for their second try, in order of their deadlines.

    Args:
        admit: is called at once, and every now and then as long as there are any, to hand over those for whom there is
            room.
    """

    def __init__(self, admit: Callable[[], None]) -> None:
        self._waiting: dict[str, Ticket] = {}
        self._admit = admit
        self._round: asyncio.Handle | None = None

    def add(self, ticket: Ticket) -> None:
        """It waits from now on."""
        self._waiting[ticket.id] = ticket
        self._soon()

    def remove(self, ticket: Ticket) -> None:
        """It has been handed over. Without effect on one that does not wait."""
        self._waiting.pop(ticket.id, None)

    def ended(self, ticket: Ticket) -> None:
        """It has had its ending, so that there may be room for another."""
        self.remove(ticket)
        if self._waiting:
            self._soon()

    def waiting(self) -> list[Ticket]:
        """Those who wait, the most urgent first."""
        return sorted(self._waiting.values(), key=lambda ticket: ticket.deadline)

    def _soon(self) -> None:
        if self._round:
            self._round.cancel()
        self._round = asyncio.get_running_loop().call_soon(self._again)

    def _again(self) -> None:
        self._round = None
        self._admit()
        if self._waiting:
            self._round = asyncio.get_running_loop().call_later(_ROUND_S, self._again)
