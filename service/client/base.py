"""What both clients are made of: all but the I/O."""

from __future__ import annotations

import ssl
from abc import ABC, abstractmethod
from pathlib import Path

import httpx

from service.client.address import Address
from service.client.budget import Retries
from service.client.conversation import Conversation
from service.client.errors import NotUnderstood
from service.client.exchange import Broken, Reply, Terms, failure_of
from service.client.metadata import read_sample
from service.client.samples import Accepted, Answer, Model, Sample
from service.client.understanding import ModelList, decoded
from service.clock import Clock, MonotonicClock

MODELS, READY = "/v1/models", "/readyz"


class ClientBase(ABC):
    """A server's address, the terms on which it is asked, and what its answers mean.

    Args:
        url: of the server; by default ANYTIME_URL in the environment, or http://127.0.0.1:8000.
        api_key: shown to the server; by default ANYTIME_API_KEY in the environment, if it is set.
        network_ms: kept back from every deadline for the way there and back, beyond what the server keeps back itself
            (its setting of the same name): for servers that are far away.
        patience_s: seconds past a deadline after which no answer is waited for any longer.
        retries: when a broken connection, or a refusal that says when to come back, is tried again.
        verify: whom to trust when the way is encrypted; by default the usual authorities.
        clock: of which all times are taken.

    Raises:
        ClientError: the URL is no server's address.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        api_key: str | None = None,
        network_ms: float = 0.0,
        patience_s: float = 5.0,
        retries: Retries | None = None,
        verify: ssl.SSLContext | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._address = Address.of(url, api_key, verify)
        self._terms = Terms(network_ms, patience_s, retries or Retries(), clock or MonotonicClock())
        self._open()

    @abstractmethod
    def _open(self) -> None:
        """Make what does the I/O."""

    @property
    def url(self) -> str:
        """The server's address."""
        return str(self._address)


class StreamBase:
    """A request over a socket, and what is known of it; all but the I/O."""

    def __init__(self, conversation: Conversation, address: Address) -> None:
        self._conversation = conversation
        self._address = address

    @property
    def accepted(self) -> Accepted | None:
        """What is known as soon as the server has taken the request."""
        return self._conversation.accepted

    @property
    def answer(self) -> Answer | None:
        """The answer, once the iteration has come to it; it stays None if the request is cancelled."""
        return self._conversation.answer


def sample_of(source: Sample | str | Path, pick: int | None = None) -> Sample:
    """The sample to go on with, or the one that a file carries. Raises SampleFileError like `read_sample`."""
    return source if isinstance(source, Sample) else read_sample(Path(source), pick)


def models_in(reply: Reply | Broken) -> tuple[Model, ...]:
    """The answer of `GET /v1/models`. Raises ClientError."""
    content = _content(reply)
    return decoded(content, ModelList).models


def ready_in(reply: Reply | Broken) -> bool:
    """The answer of `GET /readyz`. Raises ClientError for one that is neither yes nor no."""
    if isinstance(reply, Broken) or reply.status == 503:
        return False
    _content(reply)
    return True


def reply_of(response: httpx.Response) -> Reply:
    """An answer that httpx has read."""
    return Reply(response.status_code, response.content, response.headers.get("retry-after"))


def _content(reply: Reply | Broken) -> bytes:
    failure = failure_of(reply)
    if failure is not None:
        raise failure
    if not isinstance(reply, Reply):
        raise NotUnderstood("there is no answer")
    return reply.content
