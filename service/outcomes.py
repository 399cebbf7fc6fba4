"""The one vocabulary for how things end, shared by the API, the logs and the metrics."""

from __future__ import annotations

from enum import StrEnum


class StopReason(StrEnum):
    """Why a sample has as many codes as it has."""

    COMPLETE = "complete"
    DEADLINE = "deadline"
    SHED = "shed"
    CLIENT_STOP = "client_stop"
    DRAIN = "drain"


class Loss(StrEnum):
    """What became of a worker's process that nobody had asked to end."""

    CANNOT_START = "cannot_start"
    DIED = "died"
    HUNG = "hung"


class Outcome(StrEnum):
    """How a request ended: a stop reason when it was answered, else why it was not."""

    COMPLETE = "complete"
    DEADLINE = "deadline"
    SHED = "shed"
    CLIENT_STOP = "client_stop"
    DRAIN = "drain"
    INVALID = "invalid"
    UNAUTHORIZED = "unauthorized"
    LIMITED = "limited"
    INFEASIBLE = "infeasible"
    OVERLOADED = "overloaded"
    UNAVAILABLE = "unavailable"
    CLIENT_CLOSED = "client_closed"
    FAILED = "failed"
