"""Whatever comes when, a bucket lets through no more than its rate and burst in any stretch of time, and no less."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from service.access.bucket import TokenBucket
from service.errors import RateLimited

RATES = st.floats(0.01, 1000)
BURSTS = st.integers(1, 50)
PAUSES = st.lists(st.floats(0, 20) | st.floats(0, 0.01) | st.just(0.0), min_size=1, max_size=200)


def let_through(bucket: TokenBucket, start: float, pauses: list[float]) -> list[float]:
    """When each was let through, of those that came with these pauses between them."""
    now, times = start, []
    for pause in pauses:
        now += pause
        if not bucket.take(now):
            times.append(now)
    return times


@given(rate=RATES, burst=BURSTS, pauses=PAUSES, start=st.floats(0, 1e6))
def test_never_more_than_the_rate_and_the_burst_in_any_window(
    rate: float, burst: int, pauses: list[float], start: float
) -> None:
    times = let_through(TokenBucket(rate, burst, start), start, pauses)
    for first in range(len(times)):
        for last in range(first, len(times)):
            most = rate * (times[last] - times[first]) + burst
            assert last - first + 1 <= most * (1 + 1e-6) + 1e-6


@given(rate=RATES, burst=BURSTS, pauses=PAUSES)
def test_what_it_says_of_the_wait_is_true(rate: float, burst: int, pauses: list[float]) -> None:
    bucket, now = TokenBucket(rate, burst, 0.0), 0.0
    for pause in pauses:
        now += pause
        wait = bucket.take(now)
        assert 0 <= wait <= 1 / rate * (1 + 1e-9)
        if wait:
            assert bucket.take(now + wait / 2) > 0
            now += wait * (1 + 1e-9)
            assert bucket.take(now) == 0


@given(rate=RATES, burst=BURSTS)
def test_a_full_bucket_gives_its_burst_at_once_and_no_more(rate: float, burst: int) -> None:
    bucket = TokenBucket(rate, burst, 5.0)
    assert [bucket.take(5.0) for _ in range(burst)] == [0.0] * burst
    assert bucket.take(5.0) > 0
    later = 5.0 + 10 * burst / rate
    assert [bucket.take(later) for _ in range(burst)] == [0.0] * burst
    assert bucket.take(later) > 0


@given(wait=st.floats(1e-9, 1e5))
def test_retry_after_is_whole_seconds_and_long_enough(wait: float) -> None:
    error = RateLimited("Too fast.", wait)
    assert error.headers == {"Retry-After": str(error.retry_after_s)}
    assert wait <= error.retry_after_s <= math.ceil(wait) or error.retry_after_s == 1
