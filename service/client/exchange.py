"""What a client does for an answer over HTTP, step by step, without doing any of it: the shells do the I/O.

`exchange` is a generator of steps. A shell carries each out and sends back what came of it; the generator returns the
answer, or raises what the caller is to see.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from itertools import count
from typing import TypeVar

from service.client.budget import Budget, Retries
from service.client.errors import ClientError, TimedOut, TryLater, Unreachable, refusal_of
from service.client.request import Request
from service.client.samples import Answer
from service.client.understanding import WireAnswer, answer_of, decoded
from service.clock import Clock, MonotonicClock

GENERATE = "/v1/generate"
OK = 200
Result = TypeVar("Result")


@dataclass(frozen=True)
class Terms:
    """How a client deals with servers.

    Args:
        network_ms: kept back from every deadline, for a way longer than the server reckons with.
        patience_s: how long past its deadline an answer is waited for.
        retries: when what passes by itself is tried again.
        clock: of which every time is taken.
        chance: uniform in [0, 1).
    """

    network_ms: float = 0.0
    patience_s: float = 5.0
    retries: Retries = field(default_factory=Retries)
    clock: Clock = field(default_factory=MonotonicClock)
    chance: Callable[[], float] = random.random

    def budget(self, deadline_ms: float | None) -> Budget:
        """The time of a request that is called for now."""
        return Budget(self.clock.now(), deadline_ms, self.network_ms)


@dataclass(frozen=True)
class Post:
    """Send a request. The body is written when the connection stands, so that its deadline counts from then.

    Args:
        write: gives the body; raises TimedOut if it is too late for that.
        length: of the body, whenever it is written.
        connect_s: the longest to wait for a connection.
        answer_s: and for the answer.
    """

    path: str
    write: Callable[[], bytes]
    length: int
    connect_s: float
    answer_s: float


@dataclass(frozen=True)
class Pause:
    """Do nothing for so long."""

    seconds: float


@dataclass(frozen=True)
class Reply:
    """An HTTP answer."""

    status: int
    content: bytes
    retry_after: str | None = None


@dataclass(frozen=True)
class Broken:
    """No answer: the connection could not be made, or broke, or (`waited`) nothing came in the time given."""

    why: str
    waited: bool = False


Outcome = Reply | Broken | None


def failure_of(outcome: Reply | Broken) -> ClientError | None:
    """The error that an outcome is, if it is one."""
    if isinstance(outcome, Broken):
        return TimedOut(outcome.why) if outcome.waited else Unreachable(outcome.why)
    if outcome.status == OK:
        return None
    return refusal_of(outcome.status, outcome.content, outcome.retry_after)


def pause_after(failure: ClientError, tried: int, budget: Budget, terms: Terms) -> Pause:
    """How long to wait before another try. Raises the failure if there must not be one."""
    seconds = None
    # Without a word when to come back, a refusal is one.
    if isinstance(failure, Unreachable) or (isinstance(failure, TryLater) and failure.retry_after_s is not None):
        retry_after_s = failure.retry_after_s if isinstance(failure, TryLater) else None
        left_ms = budget.left_ms(terms.clock.now())
        seconds = terms.retries.wait_s(tried, retry_after_s, left_ms, terms.chance())
    if seconds is None:
        raise failure
    return Pause(seconds)


def check_time(earlier: ClientError | None, budget: Budget, terms: Terms) -> None:
    """After a pause, which may have been longer than it should: raise the failure before it if too little is left."""
    if earlier is not None and not terms.retries.enough(budget.left_ms(terms.clock.now())):
        raise earlier


def exchange(request: Request, budget: Budget, terms: Terms) -> Generator[Post | Pause, Outcome, Answer]:
    """Ask for an answer, as often as the budget allows.

    Raises:
        ClientError: there is none. If there were several tries, that of the last, caused by that of the one before.
    """
    earlier: ClientError | None = None
    for tried in count(1):
        check_time(earlier, budget, terms)
        outcome = yield _post(request, budget, terms)
        assert outcome is not None  # noqa: S101 (only a pause has none)
        failure = failure_of(outcome)
        if failure is None:
            assert isinstance(outcome, Reply)  # noqa: S101 (a broken connection is a failure)
            wire = decoded(outcome.content, WireAnswer)
            return answer_of(wire, request, budget.spent_ms(terms.clock.now()))
        failure.__cause__ = earlier
        yield pause_after(failure, tried, budget, terms)
        earlier = failure
    raise AssertionError("unreachable")


def _post(request: Request, budget: Budget, terms: Terms) -> Post:
    now = terms.clock.now()
    length = len(request.body(budget.told_ms(now)))

    def write() -> bytes:
        told_ms = budget.told_ms(terms.clock.now())
        if told_ms == 0:
            raise TimedOut(f"the {budget.deadline_ms:g} ms were over before the request could be sent")
        # Later there is less to tell, in as many digits or fewer; JSON may end in spaces.
        return request.body(told_ms).ljust(length)

    return Post(GENERATE, write, length, budget.left_ms(now) / 1000, budget.patience_s(now, terms.patience_s))
