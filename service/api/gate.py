"""Lets requests in a few at a time."""

from __future__ import annotations

import asyncio
from collections import deque

_AT_ONCE = 2


class Gate:
    """Keeps answers from waiting behind a crowd that has just arrived.

    When a thousand requests are read at once, their tasks would all begin before the event loop looks at anything else,
    and results that workers have sent meanwhile would be late by as much. So in each round of the loop only a few
    requests begin; between two rounds it reads what workers say and writes what is ready. Who waits is let in by the
    order of arrival.
    """

    def __init__(self) -> None:
        self._free = _AT_ONCE
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._turning = False

    async def enter(self) -> None:
        """Return when it is this request's turn; at once unless others came in the same moment."""
        loop = asyncio.get_running_loop()
        if not self._turning:
            self._turning = True
            loop.call_soon(self._turn)
        if self._free:
            self._free -= 1
            return
        turn = loop.create_future()
        self._waiting.append(turn)
        await turn

    def _turn(self) -> None:
        """Once in each round of the event loop, while anybody comes."""
        self._free = _AT_ONCE
        while self._free and self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():  # else it was cancelled
                self._free -= 1
                turn.set_result(None)
        self._turning = self._free < _AT_ONCE
        if self._turning:
            asyncio.get_running_loop().call_soon(self._turn)
