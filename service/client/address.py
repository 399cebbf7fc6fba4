"""How a server is reached: what httpx and websockets are told, and what it means when they fail. No I/O."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Any

import httpx
from websockets.exceptions import InvalidHandshake, InvalidStatus, WebSocketException

from service.client import environment
from service.client.errors import ClientError, NotUnderstood
from service.client.exchange import Broken, Post, Reply
from service.client.tracing import trace_headers

_SOCKETS = {"http": "ws", "https": "wss"}
_AGENT = "anytime"
_JSON = {"content-type": "application/json", "accept": "application/json"}


@dataclass(frozen=True)
class Address:
    """A server, the key to it, and whom to trust on the way there, None for the usual authorities."""

    url: httpx.URL
    key: str | None
    verify: ssl.SSLContext | None

    @classmethod
    def of(cls, url: str | None, api_key: str | None, verify: ssl.SSLContext | None) -> Address:
        """What is given, or else found in the environment. Raises ClientError if it is no address, or no key."""
        text = environment.url() if url is None else url
        key = environment.api_key() if api_key is None else api_key
        try:
            address = httpx.URL(text)
        except httpx.InvalidURL as error:
            raise ClientError(f"{text} is not the address of a server: {error}") from error
        if address.scheme not in _SOCKETS or not address.host:
            raise ClientError(f"{text} is not the address of a server, as http://127.0.0.1:8000 would be")
        if key is not None and not (key.isascii() and key.isprintable() and " " not in key):
            raise ClientError("the API key holds letters that no key may have")
        return cls(address, key, verify)

    def __str__(self) -> str:
        return str(self.url).rstrip("/")

    def http(self, path: str) -> httpx.URL:
        """A path of the server."""
        return self.url.copy_with(path=self.url.path.rstrip("/") + path)

    def http_options(self, timeout_s: float) -> dict[str, Any]:
        """How httpx is set up; the time-out is for what has none of its own."""
        trust = {} if self.verify is None else {"verify": self.verify}
        return {"headers": {"user-agent": _AGENT, **self._authorization()}, "timeout": timeout_s, **trust}

    def post_options(self, step: Post) -> dict[str, Any]:
        """How httpx is to carry out a step."""
        return {
            "url": self.http(step.path),
            "headers": {**_JSON, **trace_headers(), "content-length": str(step.length)},
            "timeout": httpx.Timeout(step.connect_s, read=step.answer_s, write=step.answer_s),
        }

    def socket_options(self, path: str, within_s: float) -> dict[str, Any]:
        """How websockets is to open a socket."""
        trust = {} if self.verify is None or self.url.scheme == "http" else {"ssl": self.verify}
        return {
            "uri": str(self.http(path).copy_with(scheme=_SOCKETS[self.url.scheme])),
            "additional_headers": {**self._authorization(), **trace_headers()},
            "user_agent_header": _AGENT,
            "compression": None,  # most media are compressed already
            "max_size": None,
            "open_timeout": max(within_s, 1e-3),
            "close_timeout": 1,
            **trust,
        }

    def http_trouble(self, error: httpx.HTTPError) -> Broken:
        """What became of a request that httpx could not carry out. Raises NotUnderstood if the server is to blame."""
        if isinstance(error, httpx.TimeoutException):
            return Broken(f"{self} did not answer in time", waited=True)
        if isinstance(error, httpx.TransportError):
            return Broken(f"cannot reach a server at {self}: {error or type(error).__name__}")
        raise NotUnderstood(f"{self} does not answer like an anytime server: {error}") from error

    def socket_trouble(self, error: OSError | WebSocketException) -> Reply | Broken:
        """What became of a socket that could not be opened, written or read."""
        if isinstance(error, InvalidStatus):
            answer = error.response
            return Reply(answer.status_code, bytes(answer.body or b""), answer.headers.get("retry-after"))
        if isinstance(error, TimeoutError):
            return Broken(f"{self} did not answer in time", waited=True)
        if isinstance(error, InvalidHandshake):
            raise NotUnderstood(f"{self} does not answer like an anytime server: {error}") from error
        return Broken(f"cannot reach a server at {self}: {error or type(error).__name__}")

    def _authorization(self) -> dict[str, str]:
        return {} if self.key is None else {"authorization": f"Bearer {self.key}"}
