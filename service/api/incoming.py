"""What comes in on one websocket: no faster, and no larger, than is worth reading."""

from __future__ import annotations

import msgspec
from starlette.types import Message

from service.access.bucket import TokenBucket
from service.errors import Malformed, PayloadTooLarge, RateLimited
from service.settings import Settings

_PARDONED = 0.1  # of the rate: so many refusals are forgotten again
_MOST_BYTES = 4  # of one character


class Incoming:
    """Refuses messages that come too fast, and knows when a client does not care.

    A message is cheap to refuse and not free. Who is refused as often as it may send in one second, less what is
    forgotten meanwhile, is not worth listening to.

    Args:
        settings: messages per second, of which as many may come at once, and the bytes of each.
        now: seconds on the server's clock.

    Attributes:
        overdone: whether the client has gone on for too long.
    """

    def __init__(self, settings: Settings, now: float) -> None:
        rate = settings.max_message_rate
        self._messages = TokenBucket(rate, max(rate, 1.0), now)
        self._pardons = TokenBucket(rate * _PARDONED, max(rate, 1.0), now)
        self._largest = settings.max_body_bytes
        self.overdone = False

    def text_of(self, message: Message, now: float) -> str:
        """What a message says, as ASGI has it.

        Raises:
            RateLimited: it is one too many.
            Malformed: it is no text.
            PayloadTooLarge: it is too large.
        """
        if wait := self._messages.take(now):
            self.overdone = self._pardons.take(now) > 0
            often = f"{self._messages.rate:g} messages per second"
            raise RateLimited(f"This websocket may send {often}; slow down, or it will be closed.", wait)
        text: str | None = message.get("text")
        if text is None:
            raise Malformed("Messages are JSON text, not binary.")
        if len(text) > self._largest // _MOST_BYTES and len(text.encode()) > self._largest:
            raise PayloadTooLarge(f"The message is larger than {self._largest} bytes.")
        return text


class _Named(msgspec.Struct):
    """As much of a bad message as is needed to answer it."""

    id: str | None = None


def named_id(text: str | None) -> str | None:
    """The id that a bad message names, if it names one."""
    try:
        return msgspec.json.decode(text or "", type=_Named).id
    except (msgspec.DecodeError, RecursionError):
        return None
