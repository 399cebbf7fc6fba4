"""What can go wrong between a program and a server.

AnytimeError (models.errors)
└── ClientError
    ├── Unreachable              no connection, or a broken one, and no time or try left for another
    ├── TimedOut                 the time was up before anything could be sent, or nothing came long after it
    ├── NotUnderstood            what came is no answer of an Anytime server
    ├── SampleFileError          a file that holds no sample's facts, or that cannot hold them
    └── Refused                  the server said no, and why: `problem`
        ├── InvalidRequest       4xx   `problem.errors` names the fields
        │   ├── Unauthorised     401, 403   no API key, or not the right one
        │   └── ModelNotFound    404   no model of that name is loaded
        ├── Cancelled            499   the request was taken back
        ├── TryLater             429, 503   passes by itself; `retry_after_s` says when
        │   ├── TooManyRequests  429   over what this client may ask for
        │   └── Overloaded       503   every place in the queue is taken
        ├── DeadlineInfeasible   504   no minimum result fits; `minimum_deadline_ms` would do
        └── ServerFailed         any other 5xx
"""

from __future__ import annotations

from http import HTTPStatus

import msgspec

from models.errors import AnytimeError

_TYPE_PREFIX = "urn:anytime:problem:"
_KNOWN = frozenset(HTTPStatus)


class FieldError(msgspec.Struct, frozen=True):
    """One field that is wrong, and why."""

    field: str
    message: str


class Problem(msgspec.Struct, frozen=True):
    """Problem details (RFC 9457), as the server sends them."""

    type: str
    title: str
    status: int
    detail: str = ""
    request_id: str | None = None
    errors: list[FieldError] = []
    minimum_deadline_ms: float | None = None
    retry_after_s: float | None = None

    @property
    def slug(self) -> str:
        """The end of the type, which is stable, as `deadline-infeasible`."""
        return self.type.removeprefix(_TYPE_PREFIX)


class ClientError(AnytimeError):
    """Base of everything that a client raises by itself."""


class Unreachable(ClientError):
    """There was no connection, or it broke, and neither time nor tries were left for another one."""


class TimedOut(ClientError):
    """The time was up before anything could be sent, or nothing came long after it."""


class NotUnderstood(ClientError):
    """What came is no answer of an Anytime server."""


class SampleFileError(ClientError):
    """A file that holds no sample's facts, or that cannot hold them."""


class Refused(ClientError):
    """The server said no, and why."""

    def __init__(self, problem: Problem) -> None:
        reason = f": {problem.detail}" if problem.detail else ""
        super().__init__(f"the server answered {problem.status} {problem.title.lower()}{reason}")
        self.problem = problem


class InvalidRequest(Refused):
    """The request itself is wrong; sent again it would be refused again."""


class Unauthorised(InvalidRequest):
    """The server wants an API key, or another one."""


class ModelNotFound(InvalidRequest):
    """No model of that name is loaded."""


class Cancelled(Refused):
    """The request was taken back."""


class TryLater(Refused):
    """Passes by itself."""

    @property
    def retry_after_s(self) -> float | None:
        """Seconds after which to try again; None if the server said nothing of it."""
        return self.problem.retry_after_s


class TooManyRequests(TryLater):
    """This client asks for more than it may."""


class Overloaded(TryLater):
    """Every place in the queue is taken."""


class DeadlineInfeasible(Refused):
    """No minimum result fits into the deadline."""

    @property
    def minimum_deadline_ms(self) -> float | None:
        """The smallest deadline that would do, counted from the server's receipt of a request."""
        return self.problem.minimum_deadline_ms


class ServerFailed(Refused):
    """The server failed to answer."""


_BY_SLUG: dict[str, type[Refused]] = {
    "model-not-found": ModelNotFound,
    "overloaded": Overloaded,
    "deadline-infeasible": DeadlineInfeasible,
}
_BY_STATUS: dict[int, type[Refused]] = {
    401: Unauthorised,
    403: Unauthorised,
    429: TooManyRequests,
    499: Cancelled,
    503: TryLater,
}


def refusal(problem: Problem) -> Refused:
    """The error for a problem."""
    usual = InvalidRequest if problem.status < 500 else ServerFailed
    return _BY_SLUG.get(problem.slug, _BY_STATUS.get(problem.status, usual))(problem)


def refusal_of(status: int, content: bytes, retry_after: str | None) -> ClientError:
    """The error for an HTTP answer other than 200, also for one from something between client and server.

    Args:
        status: of the answer.
        content: its body, problem details if it is the server's own.
        retry_after: the header, of which only whole seconds are understood.
    """
    seconds = float(retry_after) if retry_after is not None and retry_after.isdecimal() else None
    try:
        problem = msgspec.json.decode(content, type=Problem)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # Proxies answer in their own words when they are in trouble, and when they are asked who asks.
        if status < 500 and status not in _BY_STATUS:
            return NotUnderstood(f"the answer, of status {status}, is not one of an anytime server")
        problem = Problem("about:blank", _phrase(status), status, retry_after_s=seconds)
    if problem.retry_after_s is None and seconds is not None:
        problem = msgspec.structs.replace(problem, retry_after_s=seconds)
    return refusal(problem)


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in _KNOWN else "error"
