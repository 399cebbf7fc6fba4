"""How a refusal is written between a replica and a front."""

from __future__ import annotations

from service import messages
from service.errors import DeadlineInfeasible, Draining, ModelNotFound, Overloaded, ServiceError, WorkerLost

_KINDS: dict[str, type[ServiceError]] = {
    kind.slug: kind for kind in (Draining, ModelNotFound, Overloaded, WorkerLost, ServiceError)
}


def refusal(request_id: str, replica: str, error: ServiceError, left_ms: float) -> messages.Refused:
    """An error as a message; `left_ms` of its deadline the request had when it came to the replica."""
    minimum_ms = error.extra.get("minimum_deadline_ms")
    least_ms = minimum_ms if isinstance(minimum_ms, float) else None
    return messages.Refused(request_id, replica, error.slug, error.detail, least_ms, left_ms)


def error_of(refused: messages.Refused, within_ms: float) -> ServiceError:
    """The error that a message stands for; an internal one if its kind is not known here.

    Args:
        within_ms: the deadline that the request had in the front. What the replica lacked, it would have to have more.
    """
    if refused.slug == DeadlineInfeasible.slug and refused.minimum_ms is not None:
        return DeadlineInfeasible.within(within_ms, within_ms + refused.minimum_ms - refused.left_ms)
    return _KINDS.get(refused.slug, ServiceError)(refused.message)
