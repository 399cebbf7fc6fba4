"""What waits to be written to one websocket."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import msgspec


@dataclass(frozen=True, slots=True)
class Parcel:
    """One event, the binary frame that follows it if any, and whom to tell once both were handed to the transport.

    `written` is told whether that took long, because the reader is slow. After a parcel with a `goodbye` the socket is
    closed, with that as the reason.
    """

    event: msgspec.Struct
    frame: bytes | None = None
    written: Callable[[bool], None] | None = None
    goodbye: str | None = None


class Outbox:
    """Replies in order, previews latest-wins: a slow reader finds the newest preview of each sample, not a backlog.

    Replies (accepted, completed, error) go first, so the preview of a request never overtakes its `accepted`, and
    whoever puts in a `completed` drops the previews that it makes pointless.

    Args:
        limit: replies that may wait before `room` holds back whoever causes them.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._replies: deque[Parcel] = deque()
        self._previews: dict[tuple[str, int], Parcel] = {}
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()
        self._emptied.set()

    def __len__(self) -> int:
        return len(self._replies) + len(self._previews)

    def reply(self, parcel: Parcel) -> None:
        """Add a reply."""
        self._replies.append(parcel)
        self._filled.set()
        if len(self._replies) >= self._limit:
            self._emptied.clear()

    def preview(self, request_id: str, index: int, parcel: Parcel) -> None:
        """Add a preview in the place of the waiting one of the same sample, if there is one."""
        self._previews[request_id, index] = parcel
        self._filled.set()

    def drop_previews(self, request_id: str) -> None:
        """Forget the waiting previews of a request."""
        for key in [key for key in self._previews if key[0] == request_id]:
            del self._previews[key]

    async def room(self) -> None:
        """Wait until fewer replies than the limit are waiting."""
        await self._emptied.wait()

    async def take(self) -> Parcel:
        """The next parcel, waiting for one if need be. Previews of different samples take turns."""
        while not len(self):
            self._filled.clear()
            await self._filled.wait()
        if self._replies:
            parcel = self._replies.popleft()
            if len(self._replies) < self._limit:
                self._emptied.set()
            return parcel
        return self._previews.pop(next(iter(self._previews)))
