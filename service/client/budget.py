"""The caller's time: how much is left, what the server is told of it, and whether it allows another try. No I/O."""

from __future__ import annotations

import math
from dataclasses import dataclass

_UNSAID_MS = 10_000.0  # in which a request without a deadline may be tried again
_LONGEST_MS = 60_000.0  # that a server gives to a request without a deadline, unless it is set up otherwise


@dataclass(frozen=True)
class Budget:
    """The time of one request, counted from the call.

    Args:
        started: when that was, in seconds on the client's clock.
        deadline_ms: all of it; None leaves it to the server.
        network_ms: kept back from what the server is told, for the way there and back.
    """

    started: float
    deadline_ms: float | None
    network_ms: float = 0.0

    def spent_ms(self, now: float) -> float:
        """Milliseconds since the call."""
        return (now - self.started) * 1000

    def left_ms(self, now: float) -> float:
        """Milliseconds in which it makes sense to send anything, never below 0."""
        whole = _UNSAID_MS if self.deadline_ms is None else self.deadline_ms - self.network_ms
        return max(0.0, whole - self.spent_ms(now))

    def told_ms(self, now: float) -> float | None:
        """The deadline for the server if it is asked now; None if it is to take its own. 0 if it is too late to ask.

        Rounded down, so that it is never more than what is left.
        """
        return None if self.deadline_ms is None else math.floor(self.left_ms(now) * 1000) / 1000

    def patience_s(self, now: float, patience_s: float) -> float:
        """Seconds to wait for an answer from now on: until the deadline, and `patience_s` longer."""
        whole = _LONGEST_MS if self.deadline_ms is None else self.deadline_ms
        return max(0.0, whole - self.spent_ms(now)) / 1000 + patience_s


@dataclass(frozen=True)
class Retries:
    """When what passes by itself is tried again: a broken connection, a 503 or 429 that says when to come back.

    Args:
        most: tries after the first.
        least_ms: time that must be left after the wait; with less the answer would be too poor, or a refusal.
        first_wait_ms: after a second broken connection, and doubled with each further one. After the first there is no
            wait: an idle connection that the server has closed breaks when it is used, and a new one does not.
        spread: waits are longer by up to this share, at random, so that clients refused together do not return so.
    """

    most: int = 5
    least_ms: float = 5.0
    first_wait_ms: float = 25.0
    spread: float = 0.1

    def wait_s(self, tried: int, retry_after_s: float | None, left_ms: float, chance: float) -> float | None:
        """Seconds to wait before another try, or None if there must not be one.

        Args:
            tried: how often it was tried, at least once.
            retry_after_s: what the server said; None if the connection broke.
            left_ms: of the budget.
            chance: uniform in [0, 1).
        """
        if tried > self.most:
            return None
        if retry_after_s is None:
            wait_ms = 0.0 if tried == 1 else self.first_wait_ms * 2.0 ** (tried - 2)
        else:
            wait_ms = retry_after_s * 1000
        wait_ms *= 1 + self.spread * chance
        return wait_ms / 1000 if self.enough(left_ms - wait_ms) else None

    def enough(self, left_ms: float) -> bool:
        """Whether so much time is worth another try."""
        return left_ms > 0 and left_ms >= self.least_ms
