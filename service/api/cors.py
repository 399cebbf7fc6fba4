"""Which sites' pages may use the server from a browser (CORS, of the Fetch standard), over HTTP and over websockets."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from starlette.responses import Response
from starlette.types import Scope

from service.api.problems import OriginNotAllowed
from service.api.receipt import Headers, header
from service.settings import ANY_ORIGIN

_USUAL_PORTS = {"http": 80, "https": 443}
_NAMES = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+(, ?[A-Za-z0-9!#$%&'*+.^_`|~-]+)*")
_MAX_AGE = "600"  # seconds for which a browser need not ask again


class Cors:
    """Answers browsers that ask for the pages of other sites.

    Keys come in headers that a page sets itself, never in cookies, so browsers are never told that they may send
    credentials of their own, and nothing is lost by allowing all sites.

    Args:
        origins: as browsers write them, or `ANY_ORIGIN`.
    """

    def __init__(self, origins: frozenset[str]) -> None:
        self._origins = origins
        self._any = ANY_ORIGIN in origins

    def allows(self, origin: str) -> bool:
        """Whether pages of this site may use the server."""
        return self._any or origin in self._origins

    def headers(self, scope: Scope) -> Headers:
        """What every response says, also an error: without it a page could not even read what is wrong."""
        if self._any:
            return ((b"access-control-allow-origin", b"*"), (b"access-control-expose-headers", b"*"))
        origin = header(scope, b"origin")
        if origin is None or not self.allows(origin):
            return ((b"vary", b"Origin"),)
        return (
            (b"vary", b"Origin"),
            (b"access-control-allow-origin", origin.encode("latin-1")),
            (b"access-control-expose-headers", b"*"),
        )

    def preflight(self, scope: Scope) -> Response | None:
        """The answer to a browser that asks whether a page may send a request; None to any other request.

        Raises:
            OriginNotAllowed: it may not.
        """
        if scope["method"] != "OPTIONS" or header(scope, b"access-control-request-method") is None:
            return None
        origin = header(scope, b"origin")
        if origin is None:
            return None
        if not self.allows(origin):
            raise OriginNotAllowed("Pages of this site may not use this server: cors_origins does not name it.")
        answer = {"Access-Control-Allow-Methods": "GET, POST", "Access-Control-Max-Age": _MAX_AGE}
        wanted = header(scope, b"access-control-request-headers")
        if wanted and _NAMES.fullmatch(wanted):
            answer["Access-Control-Allow-Headers"] = wanted  # what a header says is looked at when it comes
        return Response(status_code=204, headers=answer)


def check_socket_origin(scope: Scope, cors: Cors | None) -> None:
    """See whether the page that opens a websocket may.

    Browsers ask nobody before they open one to another site, and say only whose page it is. Without this check every
    page that somebody reads could use a server on their machine. What is no browser sends no origin, and may come.

    Raises:
        OriginNotAllowed: it is a page of another site that is not allowed.
    """
    origin = header(scope, b"origin")
    if origin is None or _is_own(origin, header(scope, b"host") or "") or (cors is not None and cors.allows(origin)):
        return
    raise OriginNotAllowed("Pages of this site may not open websockets here: cors_origins does not name it.")


def _is_own(origin: str, host: str) -> bool:
    """Whether a page came from this very server, by the name that the browser has for it."""
    try:
        page, asked = urlsplit(origin), urlsplit(f"//{host}")
        usual = _USUAL_PORTS.get(page.scheme)
        return (
            usual is not None
            and page.hostname is not None
            and page.hostname == asked.hostname
            and (page.port or usual) == (asked.port or usual)
        )
    except ValueError:
        return False
