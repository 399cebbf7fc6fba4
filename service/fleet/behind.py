"""The app behind a server that is not ours: what our own protocol server would have told it is found out here."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.receipt import PRESENCE, RECEIVED, UNSEEN, Presence
from service.clock import Clock, clock_id
from service.fleet.stamp import given_headers, telling, way_of
from service.fleet.transit import Transit

_LEAVE_S = 1.0


class Behind:
    """Stamps the receipt, less what the way through the proxy takes; knows a cancelled request for one that was left.

    The way back is counted as if it was over already: so every deadline that is reckoned from the receipt ends when
    the last byte must leave here, and what the metrics say of slack holds at the proxy. Messages of a websocket come
    without a stamp; the way there is taken to be as long as the way back.

    Args:
        app: the service's.
        clock: of its deadlines.
        rehearse: called when it has started, before anybody is told so.
    """

    def __init__(self, app: ASGIApp, clock: Clock, rehearse: Callable[[], Awaitable[None]]) -> None:
        self.app = app
        self._rehearse = rehearse
        self._clock = clock
        self._transit = Transit(clock_id())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, self._rehearsed(send))
            return
        now = self._clock.now()
        way = way_of(scope, self._transit, now)
        presence, began = Presence(), now - way.spent
        headers = given_headers(scope["headers"])
        state = {**scope.get("state", {}), RECEIVED: began - way.back, PRESENCE: presence, UNSEEN: 2 * way.back}
        told = telling(send, self._clock, began) if way.back else send
        serving = asyncio.ensure_future(self.app({**scope, "headers": headers, "state": state}, receive, told))
        try:
            await asyncio.shield(serving)
        except asyncio.CancelledError:
            await _leave(serving, presence)
            raise

    def _rehearsed(self, send: Send) -> Send:
        async def after(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                await self._rehearse()
            await send(message)

        return after


async def _leave(serving: asyncio.Future[None], presence: Presence) -> None:
    """The client has gone: let the request end as one whose client has, and cancel what does not."""
    presence.end()
    await asyncio.wait({serving}, timeout=_LEAVE_S)
    if serving.cancel():
        await asyncio.wait({serving})
    if not serving.cancelled():
        serving.exception()  # what went wrong was logged, and there is nobody to be told
