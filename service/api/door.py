"""Who may come in, and as whom: read off what a request says of itself before its body is read."""

from __future__ import annotations

from starlette.responses import Response
from starlette.types import Scope

from service.access.clients import Client, Clients
from service.api.cors import Cors, check_socket_origin
from service.api.receipt import Headers, header
from service.settings import Settings

SUBPROTOCOL = "anytime"
KEY_SUBPROTOCOL = "anytime.key."
"""What a browser, which can set no headers of a websocket, puts before its key."""

# Health, for whoever watches over the server, and the page that asks for a key: nothing is to be learnt from them.
OPEN_PATHS = frozenset({"/", "/livez", "/readyz", "/v2/health/live", "/v2/health/ready", "/playground"})
OPEN_BELOW = "/playground/"

_BEARER = "bearer "


def is_open(scope: Scope) -> bool:
    """Whether nobody is asked for a key."""
    path: str = scope["path"]
    reads = scope["type"] == "http" and scope["method"] == "GET"  # HEAD is GET by now
    return reads and (path in OPEN_PATHS or path.startswith(OPEN_BELOW))


class Door:
    """Asks for keys, where there are any, knows clients by their addresses where there are none, and minds the sites.

    Attributes:
        watched: whether plain requests are asked anything at all.
    """

    def __init__(self, settings: Settings, clients: Clients) -> None:
        self._clients = clients
        self._keyed = settings.keys is not None
        self._by_address = settings.max_client_requests is not None
        self._sockets_by_address = settings.max_client_sockets is not None or self._by_address
        self._cors = Cors(settings.origins) if settings.origins else None
        self.watched = self._keyed or self._by_address or self._cors is not None

    def headers(self, scope: Scope) -> Headers:
        """What the response says beside what it says anyway."""
        return self._cors.headers(scope) if self._cors else ()

    def preflight(self, scope: Scope) -> Response | None:
        """The answer to a browser's question. Raises OriginNotAllowed."""
        return self._cors.preflight(scope) if self._cors else None

    def client_of(self, scope: Scope) -> Client | None:
        """Whose request it is; None if nobody keeps count.

        Raises:
            Unauthorized, KeyExpired, KeyNotAllowed: nobody's who may.
        """
        if is_open(scope):
            return None
        if self._keyed:
            client = self._clients.holder(sent_key(scope))
            client.check(scope["path"])
            return client
        wanted = self._sockets_by_address if scope["type"] == "websocket" else self._by_address
        return self._clients.visitor(scope["client"][0] if scope["client"] else "") if wanted else None

    def open_socket(self, scope: Scope, client: Client | None, now: float) -> None:
        """A websocket is to be opened; if there is no objection, `close_socket` ends it.

        Raises:
            OriginNotAllowed, ConcurrencyLimited, RateLimited, Overloaded: there is one.
        """
        check_socket_origin(scope, self._cors)
        self._clients.open_socket()
        try:
            if client is not None:
                client.open_socket(now)
        except BaseException:
            self._clients.close_socket()
            raise

    def close_socket(self, client: Client | None) -> None:
        """A websocket was closed."""
        self._clients.close_socket()
        if client is not None:
            client.close_socket()


def sent_key(scope: Scope) -> bytes | None:
    """The key that a request was sent with, in the first place where there is one. Never looked for in the URL."""
    authorization = header(scope, b"authorization")
    if authorization is not None and authorization.lower().startswith(_BEARER):
        return authorization[len(_BEARER) :].strip().encode("latin-1")
    key = header(scope, b"x-api-key")
    if key is not None:
        return key.strip().encode("latin-1")
    named = _key_subprotocol(scope)
    return None if named is None else named.removeprefix(KEY_SUBPROTOCOL).encode()


def choose_subprotocol(scope: Scope) -> str | None:
    """The subprotocol that a websocket is accepted with.

    A browser that offers some gives up unless one of them is chosen: one that offers nothing but its key has it chosen.
    """
    return SUBPROTOCOL if SUBPROTOCOL in scope["subprotocols"] else _key_subprotocol(scope)


def _key_subprotocol(scope: Scope) -> str | None:
    offered: list[str] = scope.get("subprotocols", [])
    return next((name for name in offered if name.startswith(KEY_SUBPROTOCOL)), None)
