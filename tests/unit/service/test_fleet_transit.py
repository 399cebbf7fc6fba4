"""How much of a request's time is gone when it comes: measured where clocks allow it, and never guessed."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from manual_clock import ManualClock
from starlette.types import Receive, Send

from service.clock import clock_id
from service.fleet.stamp import Stamp, given_headers, telling, way_of
from service.fleet.transit import Transit


def test_two_processes_of_one_machine_read_one_clock() -> None:
    assert clock_id() == clock_id()
    assert Transit(clock_id()).spent_s(clock_id(), 99.0, 100.5) == 1.5


def test_time_does_not_run_backwards() -> None:
    assert Transit("here").spent_s("here", 100.1, 100.0) == 0.0


@given(st.floats(-1e6, 1e6), st.lists(st.floats(0, 5), min_size=1, max_size=50))
def test_of_another_machines_clock_only_what_exceeds_the_quickest_is_known(apart: float, queueing: list[float]) -> None:
    """However far apart the clocks are: never more than the truth, and all of it but for the least of late."""
    transit, least, now = Transit("here"), float("inf"), 50.0
    for seconds in queueing:
        now += 0.01
        least = min(least, seconds)
        spent = transit.spent_s("there", now - 0.002 - seconds + apart, now)
        assert spent == pytest.approx(seconds - least, abs=1e-6)


def test_clocks_that_drift_apart_are_followed() -> None:
    """A tenth of a millisecond per second for ten minutes, which would be 60 ms."""
    transit, draw = Transit("here"), random.Random(0)
    for tick in range(6000):
        now = tick / 10
        waited = draw.choice([0.0, 0.0, 0.02])
        spent = transit.spent_s("there", now * (1 - 1e-4) - waited, now)
        assert waited - 1e-9 <= spent <= waited + 0.0011


def test_each_machine_has_a_clock_of_its_own() -> None:
    transit = Transit("here")
    assert transit.spent_s("one", 5.0, 10.0) == transit.spent_s("two", 9000.0, 10.0) == 0.0
    assert transit.spent_s("one", 5.0, 10.5) == pytest.approx(0.5)
    assert transit.spent_s("two", 9000.1, 10.5) == pytest.approx(0.4)


def test_after_a_pause_nothing_is_known() -> None:
    transit = Transit("here")
    transit.spent_s("there", 0.0, 0.0)
    assert transit.spent_s("there", 100.0, 103.0) == 0.0


FORGED = [(b"x-anytime-stamp", b"forged;1.000000;1.000000"), (b"host", b"here")]


async def test_a_proxy_says_when_a_request_came_and_believes_nobody_else() -> None:
    scopes: list[Any] = []

    async def app(scope: Any, _receive: object, _send: object) -> None:
        scopes.append(scope)

    clock = ManualClock(1000.0)
    await Stamp(app, clock)({"type": "http", "headers": FORGED}, _nothing, _nowhere)
    (scope,) = scopes
    way = way_of(scope, Transit(clock_id()), 1000.25)
    assert way.spent == pytest.approx(0.25)
    assert way.back == pytest.approx(0.005)
    assert way_of(scope, Transit("elsewhere"), 7.0).spent == 0.0
    assert [name for name, _ in scope["headers"]] == [b"host", b"x-anytime-stamp"]


async def test_rays_proxy_does_not_see_the_header_at_whose_time_it_would_hang_up() -> None:
    scopes: list[Any] = []

    async def app(scope: Any, _receive: object, _send: object) -> None:
        scopes.append(scope)

    given = [(b"x-request-timeout-seconds", b"0.2"), (b"host", b"here")]
    forged = (b"x-anytime-timeout-seconds", b"9")
    await Stamp(app, ManualClock())({"type": "http", "headers": [*given, forged]}, _nothing, _nowhere)
    (scope,) = scopes
    assert given[0] not in scope["headers"]
    assert list(given_headers(scope["headers"]))[:-1] == given


async def test_a_proxy_learns_the_way_back_whatever_the_fronts_clock_says() -> None:
    """1 ms there, 7 ms in the front's hands, 2 ms back; the front's clock is an hour ahead."""
    there, scopes, sent = ManualClock(1000.0), list[Any](), list[Any]()
    transit = Transit("another machine's")

    async def front(scope: Any, _receive: Receive, send: Send) -> None:
        async def back(message: Any) -> None:
            there.spend(0.002)
            await send(message)

        scopes.append(scope)
        there.spend(0.001)
        ours = ManualClock(there.seconds + 3600)
        began = ours.now() - way_of(scope, transit, ours.now()).spent
        there.spend(0.007)
        ours.spend(0.007)
        await telling(back, ours, began)({"type": "http.response.start", "headers": [(b"a", b"b")]})

    async def keep(message: Any) -> None:
        sent.append(message)

    proxy = Stamp(front, there)
    for _ in range(400):
        await proxy({"type": "http", "headers": []}, _nothing, keep)
    # What of the way there the front cannot know comes on top of the way back.
    assert way_of(scopes[-1], transit, 0.0).back == pytest.approx(0.003)
    assert sent[-1]["headers"] == [(b"a", b"b")]


@pytest.mark.parametrize(
    "stamp", [b"", b"there", b"there;12;1", b"there;-1.000000;0.000000", b"there;1e9;0.0", b";1.000000;0.000000"]
)
def test_a_stamp_that_makes_no_sense_says_nothing(stamp: bytes) -> None:
    scope = {"type": "http", "headers": [(b"x-anytime-stamp", stamp)]}
    assert way_of(scope, Transit("there"), 50.0) == (0.0, 0.0)


async def _nothing() -> Any:
    raise AssertionError


async def _nowhere(_message: Any) -> None:
    raise AssertionError
