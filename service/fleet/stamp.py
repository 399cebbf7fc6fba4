"""What a request's way through the proxy before a front takes: it is its client's time, too.

The proxy writes into each request when it came; the front takes off what is gone of that. Of each answer the front says
how long the request was in its hands, and the proxy learns what the way takes otherwise, which it tells with the next
request: so the way back, too, is kept back from every deadline.

Ray's proxy has a use of its own for `x-request-timeout-seconds`: at that time it ends the request with nothing. It does
not see that header, so that an answer that is a moment late is late, and not lost.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.receipt import Headers, header
from service.clock import Clock, MonotonicClock, clock_id
from service.fleet.transit import Transit
from service.pool.reserve import SendReserve

_STAMP, _INSIDE = b"x-anytime-stamp", b"x-anytime-inside"
_TIMEOUT, _HIDDEN = b"x-request-timeout-seconds", b"x-anytime-timeout-seconds"
_SEED_S = 0.005
_SECONDS = r"[0-9]{1,12}\.[0-9]{6}"
_WRITTEN = re.compile(rf"([!-:<-~]{{1,128}});({_SECONDS});({_SECONDS})")


class Way(NamedTuple):
    """Of one request, in seconds.

    Attributes:
        spent: since the proxy has had it, as far as that can be known.
        back: hardly ever exceeded by the way back, and what of the way there cannot be known.
    """

    spent: float = 0.0
    back: float = 0.0


class Stamp:
    """A layer of the proxy's own app. What a client has written into these headers is taken away.

    Args:
        app: the proxy.
    """

    def __init__(self, app: ASGIApp, clock: Clock | None = None) -> None:
        self.app = app
        self._clock = clock or MonotonicClock()
        self._id = clock_id()
        self._reserve = SendReserve(seed_s=_SEED_S)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        now = self._clock.now()
        stamp = f"{self._id};{now:.6f};{self._reserve.duration.high:.6f}".encode("ascii")
        others = [each for each in scope["headers"] if each[0] not in (_STAMP, _HIDDEN)]
        headers = [*_renamed(others, _TIMEOUT, _HIDDEN), (_STAMP, stamp)]
        await self.app({**scope, "headers": headers}, receive, self._learning(send, now))

    def _learning(self, send: Send, came: float) -> Send:
        async def learn(message: Message) -> None:
            if message["type"] == "http.response.start":
                inside = [value for name, value in message["headers"] if name == _INSIDE]
                if inside:
                    message["headers"] = [each for each in message["headers"] if each[0] != _INSIDE]
                    now = self._clock.now()
                    self._reserve.observe(now, now - came - float(inside[0]))
            await send(message)

        return learn


def _renamed(headers: Headers, name: bytes, other: bytes) -> Headers:
    return [(other if each == name else each, value) for each, value in headers]


def given_headers(headers: Headers) -> Headers:
    """As the client has given them."""
    return _renamed(headers, _HIDDEN, _TIMEOUT)


def way_of(scope: Scope, transit: Transit, now: float) -> Way:
    """What a proxy has said of a request's way; nothing if none has."""
    found = _WRITTEN.fullmatch(header(scope, _STAMP) or "")
    return Way(transit.spent_s(found[1], float(found[2]), now), float(found[3])) if found else Way()


def telling(send: Send, clock: Clock, began: float) -> Send:
    """Have the proxy know how long an HTTP request was in this process's hands, or on the known part of its way.

    Args:
        began: when it was received here, less what of its way was spent then.
    """

    async def tell(message: Message) -> None:
        if message["type"] == "http.response.start":
            inside = f"{clock.now() - began:.6f}".encode("ascii")
            message = {**message, "headers": [*message["headers"], (_INSIDE, inside)]}
        await send(message)

    return tell
