"""Errors that a client sees, as RFC 9457 problem details.

ServiceError (500 internal)
├── RequestIsolated       500   two workers died with it
├── Malformed             400   unreadable request: bad JSON, bad deadline header
├── Unauthorized          401 + WWW-Authenticate   no key, or none that the server knows
├── KeyExpired            403   the key was good until a while ago
├── KeyNotAllowed         403   the key is good, and not for this
├── ModelNotFound         404
├── PayloadTooLarge       413
├── InvalidField          422   a field outside what the model or the server allows
├── UnusableMedia         422   a file that cannot be encoded: damaged, of another size
├── RateLimited           429 + Retry-After   a client asks too often
├── ConcurrencyLimited    429 + Retry-After   a client has too much in progress
├── Overloaded            503 + Retry-After   every place in the queue is taken
├── Draining              503 + Retry-After   the server is shutting down
├── WorkerLost            503 + Retry-After   the worker died and no other can answer in time
└── DeadlineInfeasible    504 + minimum_deadline_ms   no minimum result fits into the deadline
"""

from __future__ import annotations

import math

from service.outcomes import Outcome


class ServiceError(Exception):
    """Base of every error with a status, a stable type and a message that is safe to show."""

    status = 500
    slug = "internal"
    title = "Internal error"
    outcome = Outcome.FAILED

    def __init__(self, detail: str, **extra: object) -> None:
        super().__init__(detail)
        self.detail = detail
        self.extra = extra

    @property
    def headers(self) -> dict[str, str]:
        """Extra response headers."""
        return {}


class RequestIsolated(ServiceError):
    """Two workers died or hung with the request, which is therefore not tried again, nor should it be sent again."""

    slug = "request-isolated"
    title = "Request isolated"
    outcome = Outcome.FAILED


class Malformed(ServiceError):
    """The request cannot be read."""

    status = 400
    slug = "malformed-request"
    title = "Malformed request"
    outcome = Outcome.INVALID


class Unauthorized(ServiceError):
    """There is no key, or none that the server knows; the same is said of both, so that a guess learns nothing."""

    status = 401
    slug = "unauthorized"
    title = "Unauthorized"
    outcome = Outcome.UNAUTHORIZED

    def __init__(self) -> None:
        super().__init__(
            "This server wants a key, and has been sent none that it knows: send one as `Authorization: Bearer KEY` or "
            "`x-api-key: KEY`, or, to open a websocket from a browser, as the subprotocol `anytime.key.KEY`."
        )

    @property
    def headers(self) -> dict[str, str]:
        """WWW-Authenticate, as RFC 9110 requires of a 401."""
        return {"WWW-Authenticate": "Bearer"}


class KeyExpired(ServiceError):
    """The key was good until a while ago. Only who has it learns that."""

    status = 403
    slug = "key-expired"
    title = "Key expired"
    outcome = Outcome.UNAUTHORIZED


class KeyNotAllowed(ServiceError):
    """The key is good, and not for this."""

    status = 403
    slug = "key-not-allowed"
    title = "Key not allowed"
    outcome = Outcome.UNAUTHORIZED


class ModelNotFound(ServiceError):
    """No such model is loaded."""

    status = 404
    slug = "model-not-found"
    title = "Model not found"
    outcome = Outcome.INVALID


class PayloadTooLarge(ServiceError):
    """The body is larger than the server takes."""

    status = 413
    slug = "payload-too-large"
    title = "Payload too large"
    outcome = Outcome.INVALID


class InvalidField(ServiceError):
    """A field is outside what the model or the server allows."""

    status = 422
    slug = "invalid-field"
    title = "Invalid field"
    outcome = Outcome.INVALID


class UnusableMedia(ServiceError):
    """A file that cannot be encoded: damaged, or of a size that does not fit."""

    status = 422
    slug = "unusable-media"
    title = "Unusable media"
    outcome = Outcome.INVALID


class RetryLater(ServiceError):
    """Base of what passes by itself: 503, or 429 where it is for the client to wait, with Retry-After in seconds."""

    status = 503
    retry_after_s = 1

    @property
    def headers(self) -> dict[str, str]:
        """Retry-After, as RFC 9110 writes it."""
        return {"Retry-After": str(self.retry_after_s)}


class RateLimited(RetryLater):
    """A client asks more often than it may.

    Args:
        wait: seconds until it may again.
    """

    status = 429
    slug = "rate-limited"
    title = "Rate limited"
    outcome = Outcome.LIMITED

    def __init__(self, detail: str, wait: float) -> None:
        super().__init__(detail)
        self.retry_after_s = max(math.ceil(wait), 1)


class ConcurrencyLimited(RetryLater):
    """A client has as much in progress as it may."""

    status = 429
    slug = "concurrency-limited"
    title = "Too much in progress"
    outcome = Outcome.LIMITED


class Overloaded(RetryLater):
    """Every place in the queue is taken."""

    slug = "overloaded"
    title = "Overloaded"
    outcome = Outcome.OVERLOADED


class Draining(RetryLater):
    """The server is shutting down."""

    slug = "draining"
    title = "Shutting down"
    outcome = Outcome.UNAVAILABLE


class WorkerLost(RetryLater):
    """The worker that held the request died, and no other can answer in time."""

    slug = "worker-lost"
    title = "Worker lost"
    outcome = Outcome.UNAVAILABLE


class DeadlineInfeasible(ServiceError):
    """No minimum result fits into the deadline; `minimum_deadline_ms` would do."""

    status = 504
    slug = "deadline-infeasible"
    title = "Deadline infeasible"
    outcome = Outcome.INFEASIBLE

    def __init__(self, detail: str, minimum_deadline_ms: float) -> None:
        super().__init__(detail, minimum_deadline_ms=round(minimum_deadline_ms, 3))

    @classmethod
    def within(cls, remaining_ms: float, minimum_deadline_ms: float) -> DeadlineInfeasible:
        """The error of a request that has so much time."""
        return cls(
            f"No result fits into {max(remaining_ms, 0.0):.1f} ms; the smallest deadline that would do now is "
            f"{minimum_deadline_ms:.1f} ms.",
            minimum_deadline_ms,
        )


def slugs() -> set[str]:
    """The slug of every error in the tree, as far as modules have extended it."""
    found, kinds = set(), [ServiceError]
    while kinds:
        kind = kinds.pop()
        found.add(kind.slug)
        kinds += kind.__subclasses__()
    return found
