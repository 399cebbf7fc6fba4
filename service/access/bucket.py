"""A rate with a burst, as a bucket of tokens."""

from __future__ import annotations

_WHOLE = 1 - 1e-9  # a token, but for what sums of fractions lose


class TokenBucket:
    """Lets through at most `rate` × t + `burst` in any t seconds.

    Tokens drip in at the rate until the bucket is full; each that is let through takes one. The bucket begins full.

    Args:
        rate: per second, above zero.
        burst: how many may come at once, at least one.
        now: seconds on the clock that `take` is asked by.
    """

    __slots__ = ("_tokens", "_when", "burst", "rate")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self.rate = rate
        self.burst = burst
        self._tokens = burst
        self._when = now

    def take(self, now: float) -> float:
        """Take a token: 0 if there was one, else nothing is taken, and in so many seconds there will be one."""
        passed, self._when = now - self._when, now
        self._tokens = min(self.burst, self._tokens + passed * self.rate)
        if self._tokens >= _WHOLE:
            self._tokens -= 1
            return 0.0
        return (1 - self._tokens) / self.rate
