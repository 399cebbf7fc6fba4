"""One request of the mixed traffic, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus

import msgspec

KINDS = ("on time", "late", "refused", "lost", "failed", "no ending", "cut")
"""What can become of a request, see `Sent.kind`."""

_REFUSALS = frozenset({"overloaded", "deadline-infeasible"})
_UNAVAILABLE = (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT)


class Way(StrEnum):
    """How a request goes."""

    HTTP = "http"
    EVENTS = "events"
    SOCKET = "socket"


@dataclass(slots=True, eq=False)
class Sent:
    """One request and what became of it; times are the event loop's, in seconds.

    Attributes:
        sent: when it left; None if it never did.
        ended: when its first ending came.
        endings: how many there were.
        status: 200 for an answer, else of the problem; None if there was neither.
        problem: the last word of the problem's type, or what else was wrong.
        reasons: why each sample stopped.
        cut: whether its connection was cut here, on purpose, while it was under way.
    """

    way: Way
    due: float
    deadline_ms: float
    sent: float | None = None
    ended: float | None = None
    endings: int = 0
    status: int | None = None
    problem: str | None = None
    reasons: tuple[str, ...] = ()
    cut: bool = False

    @property
    def late_s(self) -> float | None:
        """How long after its deadline its ending came, negative if before; None if none came."""
        return None if self.ended is None else self.ended - self.due - self.deadline_ms / 1000

    @property
    def on_time(self) -> bool:
        """Whether it was answered by its deadline, counted from when it was due."""
        return self.status == HTTPStatus.OK and self.late_s is not None and self.late_s <= 0

    @property
    def kind(self) -> str:
        """One of `KINDS`: "lost" was let in and not answered, as a worker was gone; "failed" is any other error."""
        if self.cut:
            return "cut"
        if not self.endings:
            return "no ending"
        if self.status == HTTPStatus.OK:
            return "on time" if self.on_time else "late"
        if self.problem in _REFUSALS:
            return "refused"
        return "lost" if self.status in _UNAVAILABLE else "failed"

    def end(self, now: float, status: int | None, problem: str | None = None, reasons: Sequence[str] = ()) -> None:
        """One more ending."""
        self.endings += 1
        if self.endings == 1:
            self.ended, self.status, self.problem, self.reasons = now, status, problem, tuple(reasons)


class _Output(msgspec.Struct):
    stop_reason: str


class _Problem(msgspec.Struct):
    type: str
    status: int

    @property
    def slug(self) -> str:
        return self.type.rpartition(":")[2]


class Event(msgspec.Struct):
    """As much of an event, of an answer or of a problem as matters here."""

    type: str = ""
    id: str = ""
    outputs: list[_Output] = []
    problem: _Problem | None = None


EVENT = msgspec.json.Decoder(Event)
PROBLEM = msgspec.json.Decoder(_Problem)


def read_events(body: bytes, request: Sent, now: float) -> None:
    """Every ending in a stream that is over."""
    for line in body.split(b"\n"):
        if line.startswith((b'data: {"type":"completed"', b'data: {"type":"error"')):
            end(EVENT.decode(line.removeprefix(b"data: ")), request, now)


def end(event: Event, request: Sent, now: float) -> None:
    """Tell a request the ending that an event is."""
    if event.problem is None:
        request.end(now, HTTPStatus.OK, reasons=[each.stop_reason for each in event.outputs])
    else:
        request.end(now, event.problem.status, event.problem.slug)
