"""What a client says and hears on `/v1/stream`, step by step, without doing any of it: the shells do the I/O."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from itertools import count
from typing import assert_never

import msgspec

from service.client.errors import Cancelled, ClientError, NotUnderstood, TimedOut, refusal
from service.client.exchange import Broken, Outcome, Pause, Terms, check_time, failure_of, pause_after
from service.client.request import Request
from service.client.samples import Accepted, Answer, Preview
from service.client.understanding import (
    AcceptedEvent,
    CompletedEvent,
    ErrorEvent,
    PreviewEvent,
    accepted_of,
    answer_of,
    event_of,
    preview_of,
)

STREAM = "/v1/stream"
_ID = "1"  # every stream has a socket of its own


@dataclass(frozen=True)
class Open:
    """Open a socket, in the place of one that may be open; the outcome is None if it stands."""

    path: str
    within_s: float


@dataclass(frozen=True)
class Say:
    """Send a text; the outcome is None if it was sent."""

    text: str


@dataclass(frozen=True)
class Hear:
    """Wait for a message; the outcome is `Heard`, or what prevented it."""

    within_s: float


@dataclass(frozen=True)
class Heard:
    """A message: text, or the bytes of a binary one."""

    message: str | bytes


@dataclass(frozen=True)
class Show:
    """Give this to the caller."""

    event: Preview | Answer


Step = Open | Say | Hear | Pause | Show
Steps = Generator[Step, Outcome | Heard, None]


class Conversation:
    """One request on a socket of its own, from the call to its ending.

    Attributes:
        accepted: what is known as soon as the server has taken the request.
        answer: the answer, once it is there; it stays None if the request was cancelled.
    """

    def __init__(self, request: Request, preview_ms: float | None, terms: Terms) -> None:
        self.accepted: Accepted | None = None
        self.answer: Answer | None = None
        self._request = request
        self._preview_ms = preview_ms
        self._terms = terms
        self._budget = terms.budget(request.deadline_ms)
        self._asked_after_ms = 0.0  # from the call to the asking, from which the server counts
        self._under_way = False
        self._final = False  # told to stop or cancelled: there is nothing to try again for
        self._unsaid: deque[str] = deque()
        self._steps = self._run()
        self._step: Step | None = None

    @property
    def step(self) -> Step:
        """What is to be done next, the same until `done` is told. Raises StopIteration at the end."""
        if self._step is None:
            self._step = next(self._steps)
        return self._step

    def done(self, outcome: Outcome | Heard) -> None:
        """The step was carried out."""
        self._step = None
        try:
            self._step = self._steps.send(outcome)
        except StopIteration:
            return  # and `step` will say so

    def stop(self) -> None:
        """Ask for the answer now, with the codes there are."""
        self._final = True
        self._order(type="stop")

    def cancel(self) -> None:
        """Take the request back: there will be no answer."""
        self._final = True
        self._order(type="cancel")

    def extend(self, deadline_ms: float) -> None:
        """Give the request a later deadline, counted like the first; one that is not later changes nothing."""
        if deadline_ms <= (self._budget.deadline_ms or 0):
            return
        self._budget = replace(self._budget, deadline_ms=deadline_ms)
        since_asking_ms = deadline_ms - self._budget.network_ms - self._asked_after_ms
        if self._under_way and since_asking_ms > 0:  # if it is not, it will be asked with the new deadline
            self._order(type="extend", deadline_ms=round(since_asking_ms, 3))

    def orders(self) -> Iterator[str]:
        """The texts to send that no step says; safe to call from any thread, each is had once."""
        while self._under_way:
            try:
                yield self._unsaid.popleft()
            except IndexError:
                return

    def _order(self, **message: object) -> None:
        self._unsaid.append(msgspec.json.encode({"id": _ID, **message}).decode())

    def _run(self) -> Steps:
        earlier: ClientError | None = None
        for tried in count(1):
            check_time(earlier, self._budget, self._terms)
            failure = yield from self._try()
            self._under_way = False
            if failure is None:
                return
            failure.__cause__ = earlier
            if self._final:
                raise failure
            yield pause_after(failure, tried, self._budget, self._terms)
            earlier = failure

    def _try(self) -> Generator[Step, Outcome | Heard, ClientError | None]:
        """One try; returns why it failed, if it did."""
        outcome = yield Open(STREAM, self._budget.left_ms(self._now()) / 1000)
        if outcome is None:
            outcome = yield Say(self._question())
        if outcome is None:
            self._under_way = True
            for text in self.orders():
                yield Say(text)
            return (yield from self._listen())
        assert not isinstance(outcome, Heard)  # noqa: S101 (nobody has listened)
        return failure_of(outcome) or NotUnderstood("the server does not speak websocket, as an anytime server does")

    def _question(self) -> str:
        now = self._terms.clock.now()
        told_ms = self._budget.told_ms(now)
        if told_ms == 0:
            raise TimedOut(f"the {self._budget.deadline_ms:g} ms were over before the request could be sent")
        self._asked_after_ms = self._budget.spent_ms(now)
        preview = {} if self._preview_ms is None else {"preview_ms": self._preview_ms}
        return self._request.body(told_ms, type="generate", id=_ID, binary=True, **preview).decode()

    def _listen(self) -> Generator[Step, Outcome | Heard, ClientError | None]:
        while True:
            message = yield from self._hear()
            if isinstance(message, ClientError):
                return message
            if not isinstance(message, str):
                return NotUnderstood("the server sent bytes without having announced them")
            event = event_of(message)
            if isinstance(event, AcceptedEvent):
                self.accepted = accepted_of(event)
                # Another try is for the same samples.
                self._request = self._request.with_seed(event.seed)
            elif isinstance(event, ErrorEvent):
                failure = refusal(event.problem)
                return None if self._final and isinstance(failure, Cancelled) else failure
            else:
                frame = yield from self._hear()
                if isinstance(frame, ClientError):
                    return frame
                if not isinstance(frame, bytes):
                    return NotUnderstood("the server sent text in the place of a sample")
                yield Show(self._understood(event, frame))
                if self.answer is not None:
                    return None

    def _understood(self, event: PreviewEvent | CompletedEvent, frame: bytes) -> Preview | Answer:
        if isinstance(event, CompletedEvent):
            self.answer = answer_of(event, self._request, self._budget.spent_ms(self._now()), frame)
            return self.answer
        if isinstance(event, PreviewEvent):
            if self.accepted is None:
                raise NotUnderstood("the server sent a preview of what it had not accepted")
            return preview_of(event, self._request, self.accepted, frame)
        assert_never(event)

    def _hear(self) -> Generator[Step, Outcome | Heard, str | bytes | ClientError]:
        """The next message, or why there is none."""
        outcome = yield Hear(self._budget.patience_s(self._now(), self._terms.patience_s))
        if isinstance(outcome, Heard):
            return outcome.message
        assert isinstance(outcome, Broken)  # noqa: S101 (sockets answer no requests)
        failure = failure_of(outcome)
        assert failure is not None  # noqa: S101 (it is broken)
        return failure

    def _now(self) -> float:
        return self._terms.clock.now()
