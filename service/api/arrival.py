"""The outermost layer of the app: stamps the arrival, asks who comes, limits the body, answers every error, counts and
logs.

Pure ASGI, since anything that wraps responses into tasks and queues would add its own latency to every answer.
"""

from __future__ import annotations

import logging
import os
import re
from dataclasses import dataclass, field

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.access.clients import Client
from service.api.account import Account, EncodeAccount
from service.api.dialects import refusal
from service.api.door import Door
from service.api.endpoints import Endpoints, Match
from service.api.journal import leave
from service.api.problems import RequestTimeout, service_error
from service.api.receipt import RECEIVED, Headers, presence_of, respond
from service.api.server import Server
from service.errors import Malformed, PayloadTooLarge, ServiceError
from service.metrics import UNKNOWN
from service.outcomes import Outcome
from service.telemetry.context import trace_context

ENCODE_PATH = "/v1/encode"
_ACCOUNTS = {ENCODE_PATH: EncodeAccount}
_FILES = (b"image/", b"audio/")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
_CLIENT_CLOSED_STATUS = 499
_LONGEST_LENGTH = 18  # digits
_STARTS = frozenset({"http.response.start", "websocket.http.response.start"})
_logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Exchange:
    """One HTTP request or websocket, from its arrival on.

    Attributes:
        arrival: seconds on the server's clock.
        request_id: the client's `x-request-id` if it sent a sane one, else our own.
        account: there if this is a request that takes time.
        route: the template of its path, if it asks for samples.
        status: of the response, once it started.
        refused: whether it was answered with an error.
        client: who asks, if anybody keeps count.
        headers: that the response has beside its own.
    """

    arrival: float
    request_id: str
    account: Account | None = None
    route: str | None = None
    status: int | None = None
    refused: bool = False
    client: Client | None = None
    headers: Headers = ()
    _inside: bool = field(default=False, init=False)

    def enter(self, now: float) -> None:
        """Take up one of the client's places until `leave`. Raises ServiceError if it has none."""
        if self.client is not None:
            self.client.enter(now)
            self._inside = True

    def leave(self) -> None:
        """The client's place, if one was taken, is free again."""
        if self._inside and self.client is not None:
            self._inside = False
            self.client.leave()

    def begin(self, status: int) -> Headers:
        """The response starts; returns what it says beside its own headers: above all, which request it answers."""
        self.status = status
        return ((b"x-request-id", self.request_id.encode("latin-1")), *self.headers)

    def refuse(self, raised: Exception, scope: Scope) -> Response:
        """Book an error as the end of this exchange, and make the response to it."""
        self.refused = True
        error = service_error(raised, scope)
        if error.status == 500:
            _logger.error("request %s failed", self.request_id, exc_info=raised)
        if self.account is not None:
            self.account.refused(error)
        return refusal(scope["path"], error, self.request_id)


def exchange_of(connection: HTTPConnection) -> Exchange:
    """The exchange that a request or websocket belongs to."""
    exchange: Exchange = connection.scope["state"]["exchange"]
    return exchange


class ArrivalMiddleware:
    """Wraps the whole app; see the module.

    Args:
        app: everything else.
        endpoints: answer requests that take time.
    """

    def __init__(self, app: ASGIApp, endpoints: Endpoints, server: Server) -> None:
        self.app = app
        self.endpoints = endpoints
        self.server = server
        self.door = Door(server.settings, server.clients)
        self.watched = self.door.watched

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        # Only the rehearsal brings an exchange of its own, and is not to be counted.
        if "exchange" in scope.get("state", {}):
            if match := self.endpoints.find(scope["method"], scope["path"]):
                response = await match.endpoint(Request(scope, receive, send))
                await response(scope, receive, send)
            return
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        state = scope.get("state", {})
        exchange = Exchange(state.get(RECEIVED, self.server.clock.now()), _request_id(scope))
        scope = {**scope, "state": {**state, "exchange": exchange}}
        if scope["type"] == "websocket":
            await self._serve_socket(scope, exchange, receive, send)
            return
        if scope["method"] == "HEAD":
            # A HEAD is answered like its GET; the protocol server, which has its own scope, leaves the body out.
            scope["method"] = "GET"
        match = self.endpoints.find(scope["method"], scope["path"])
        if match:
            exchange.route = match.template
            scope["path_params"] = match.parameters
            exchange.account = _ACCOUNTS.get(match.template, Account)(self.server, exchange.arrival)
        try:
            await self._serve(scope, exchange, match, receive, send)
        finally:
            exchange.leave()
            self._close(scope, exchange)

    async def _serve(self, scope: Scope, exchange: Exchange, match: Match | None, receive: Receive, send: Send) -> None:
        try:
            answer = self._let_in(scope, exchange) if self.watched else None
            if answer is not None:
                await answer(scope, receive, _Sender(send, exchange))
                return
            limited = _LimitedBody(scope, receive, self._limit(scope))
            if match is None:
                await self.app(scope, limited, _Sender(send, exchange))
            else:
                await self.server.gate.enter()
                response = await match.endpoint(Request(scope, limited, send))
                await response(scope, receive, send)
        except Exception as error:
            if exchange.refused:  # in the layers of the app, which raise again what nobody foresaw
                return
            response = exchange.refuse(error, scope)
            if exchange.status is None:
                headers = [*response.raw_headers, *exchange.begin(response.status_code)]
                await respond(scope, send, response.status_code, headers, bytes(response.body))

    def _limit(self, scope: Scope) -> int:
        """The most bytes of a body: pictures and sounds may be larger than what this process looks into."""
        settings = self.server.settings
        if scope["path"] == ENCODE_PATH:
            for name, value in scope["headers"]:
                if name == b"content-type" and value.startswith(_FILES):
                    return settings.max_media_bytes
        return settings.max_body_bytes

    def _let_in(self, scope: Scope, exchange: Exchange) -> Response | None:
        """Have the exchange know its client; the answer, if all that a browser asks is whether a page may ask.

        Raises:
            ServiceError: the client may not come in.
        """
        exchange.headers = self.door.headers(scope)
        try:
            if answer := self.door.preflight(scope):
                return answer
            exchange.client = self.door.client_of(scope)
            if exchange.account is not None:
                exchange.account.client = exchange.client
            exchange.enter(self.server.clock.now())
        except ServiceError as error:
            if exchange.account is None:  # which counts for itself
                self.server.metrics.rejected(error.slug)
            raise
        return None

    async def _serve_socket(self, scope: Scope, exchange: Exchange, receive: Receive, send: Send) -> None:
        """Open a websocket, or answer with a problem where it was to be opened."""
        try:
            exchange.client = self.door.client_of(scope)
            self.door.open_socket(scope, exchange.client, self.server.clock.now())
        except ServiceError as error:
            self.server.metrics.rejected(error.slug)
            try:
                await exchange.refuse(error, scope)(scope, receive, _Sender(send, exchange))
            finally:
                self._close(scope, exchange)
            return
        try:
            await self.app(scope, receive, send)
        finally:
            self.door.close_socket(exchange.client)

    def _close(self, scope: Scope, exchange: Exchange) -> None:
        if exchange.account is not None:
            exchange.account.close()
        left = exchange.account is not None and exchange.account.outcome is Outcome.CLIENT_CLOSED
        status = _CLIENT_CLOSED_STATUS if left else exchange.status or _CLIENT_CLOSED_STATUS
        self.server.metrics.http_response(exchange.route or _route(scope), status)
        leave(
            self.server,
            scope["path"],
            exchange.account,
            trace_context(scope["headers"]),
            (self.server.clock.now() - exchange.arrival) * 1000,
            request_id=exchange.request_id,
            key=exchange.client.name if exchange.client else None,
            route=exchange.route,
            method=scope.get("method", "GET"),  # a websocket, which was not opened, has none
            status=status,
        )


class _Sender:
    """Notes the status of the response and puts the request id into its headers."""

    def __init__(self, send: Send, exchange: Exchange) -> None:
        self._send = send
        self._exchange = exchange

    async def __call__(self, message: Message) -> None:
        if message["type"] in _STARTS:
            message["headers"] = [*message["headers"], *self._exchange.begin(message["status"])]
        await self._send(message)


class _LimitedBody:
    """The body as it comes in, up to a limit; never holds any of it.

    Raises:
        PayloadTooLarge: at once if the length is announced, else with the chunk that goes over it.
        Malformed: the announced length is no number.
        RequestTimeout: the client takes too long to send it.
    """

    def __init__(self, scope: Scope, receive: Receive, limit: int) -> None:
        self._scope = scope
        self._receive = receive
        self._left = self._limit = limit
        for name, value in scope["headers"]:
            if name == b"content-length":
                if not value.isdigit():
                    raise Malformed("The header content-length is not a number.")
                self._check(len(value) <= _LONGEST_LENGTH and int(value) <= limit)

    async def __call__(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            self._check(self._left >= 0)
            if message.get("more_body") and presence_of(self._scope).overdue:
                raise RequestTimeout("The request did not arrive in time; send it all at once.")
        return message

    def _check(self, fits: bool) -> None:
        if not fits:
            raise PayloadTooLarge(f"The body is larger than the {self._limit} bytes that this server takes.")


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            text: str = value.decode("latin-1")
            if _REQUEST_ID.fullmatch(text):
                return text
    return os.urandom(16).hex()


def _route(scope: Scope) -> str:
    """The template of the route, so that clients cannot add label values by asking for strange paths."""
    path: str | None = getattr(scope.get("route"), "path", None)
    return path or UNKNOWN
