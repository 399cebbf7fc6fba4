"""The server that is measured, and what it says of the model."""

from __future__ import annotations

from dataclasses import dataclass, field

import httpx
import msgspec

from models.errors import AnytimeError
from service.access.keys import key_headers
from service.lookup import model_named

_PATIENCE_SECONDS = 10.0


class Media(msgspec.Struct):
    """As much of what a model's samples are; the first format is the usual one."""

    formats: list[str]


class Model(msgspec.Struct):
    """As much of a model's description as the benchmark needs; `codes` is K, the curve has K + 1 numbers."""

    name: str
    version: str
    default: bool
    aliases: list[str]
    codes: int
    media: Media
    quality_curve: list[float]


class _Models(msgspec.Struct):
    models: list[Model]


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go; `authority` is host and port as a URL writes them."""

    host: str
    port: int
    authority: str
    path: str
    secure: bool
    key: str | None = field(default=None, repr=False)

    def request(self, body: bytes) -> bytes:
        """The bytes of a generation request."""
        keyed = "".join(f"{name}: {value}\r\n" for name, value in key_headers(self.key).items())
        head = (
            f"POST {self.path}/v1/generate HTTP/1.1\r\nHost: {self.authority}\r\n{keyed}"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


def find(url: str, model: str | None, key: str | None = None) -> tuple[Target, Model]:
    """Where the server is, and the model by name, or the only one that is loaded.

    Args:
        key: for a server that wants one.

    Raises:
        AnytimeError: the server cannot be reached, is none of ours, or has no such model.
    """
    try:
        address = httpx.URL(url)
        # The requests to come know of no proxy, so neither does this one.
        models = f"{url.rstrip('/')}/v1/models"
        answer = httpx.get(models, timeout=_PATIENCE_SECONDS, trust_env=False, headers=key_headers(key))
        if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise AnytimeError(f"{url} wants another key than it was sent; give one as --api-key or ANYTIME_API_KEY")
        found = msgspec.json.decode(answer.content, type=_Models).models
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise AnytimeError(f"{url} is not the address of a server: {error}") from error
    except httpx.HTTPError as error:
        raise AnytimeError(f"cannot reach a server at {url}: {error}") from error
    except msgspec.DecodeError as error:
        raise AnytimeError(f"{url} does not answer like an anytime server") from error
    secure = address.scheme == "https"
    port = address.port or (443 if secure else 80)
    target = Target(address.host, port, address.netloc.decode(), address.path.rstrip("/"), secure, key)
    return target, model_named(model, found, url)
