"""API keys: what one is, what is kept of it, and how the one that was sent is found.

A key is 256 random bits, and only its SHA-256 is kept. The slow, salted hashes that passwords need make up for words
that people choose: they make each of a few billion guesses dear. Of 2^256 keys no share worth mentioning can be guessed
at any price, and no two are alike, so that a salt would keep nothing apart. A slow hash would only be a way to keep the
server busy by sending it keys that do not exist.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

PREFIX = "anytime_"
"""How every key begins, so that those who look for secrets in the wrong places find it."""
_BYTES = 32
_SHOWN = 8  # bytes of a digest by which it is looked up
_NOBODY = bytes(32)  # the digest of no key that anybody could have

KeyName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class Key(BaseModel):
    """What is known of one key.

    Attributes:
        sha256: of the key, in hexadecimal digits.
        rate: requests per second; None for any.
        burst: how many may come at once within the rate; as many as a second's if None.
        concurrency: requests in progress at once; None for the server's own limit.
        max_deadline_ms: longer deadlines are clamped to this.
        metrics_only: it opens /metrics and nothing else.
        expires: from then on it opens nothing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    created: AwareDatetime | None = None
    expires: AwareDatetime | None = None
    rate: Annotated[float, Field(gt=0)] | None = None
    burst: Annotated[int, Field(ge=1)] | None = None
    concurrency: Annotated[int, Field(ge=1)] | None = None
    max_deadline_ms: Annotated[float, Field(gt=0)] | None = None
    metrics_only: bool = False

    @property
    def most_at_once(self) -> float:
        """The burst, given or not, of a key that has a rate."""
        return self.burst or max(self.rate or 1.0, 1.0)

    def expired(self, now: datetime) -> bool:
        """Whether it opens nothing any more."""
        return self.expires is not None and now >= self.expires


def new_key() -> str:
    """A key that nobody has: of letters, digits, `-` and `_`, which every header can hold."""
    return PREFIX + secrets.token_urlsafe(_BYTES)


def key_headers(key: str | None) -> dict[str, str]:
    """The headers with which a client sends its key, if it has one."""
    return {} if key is None else {"Authorization": f"Bearer {key}"}


def digest_of(key: bytes) -> bytes:
    """What is kept of a key."""
    return hashlib.sha256(key).digest()


class KeyRing:
    """Finds the name of the key that was sent.

    How long that takes depends on digests only. A key is looked up by the first 64 bits of its digest, in a dict, and
    the digest that is found, or another where none is, is then compared in constant time. Timing could at most tell
    whether these bits of some digest were met. Nobody can meet them on purpose but who knows the digest already, and
    who knows all of a digest still has 2^256 keys to try.
    """

    def __init__(self, digests: Iterable[tuple[str, bytes]]) -> None:
        self._by_prefix = {digest[:_SHOWN]: (name, digest) for name, digest in digests}

    def find(self, sent: bytes) -> str | None:
        """The name of the key, or None if it is none of ours."""
        digest = digest_of(sent)
        name, known = self._by_prefix.get(digest[:_SHOWN], (None, _NOBODY))
        return name if hmac.compare_digest(known, digest) else None
