"""The bookkeeping of one request that takes time: however it ends, it is counted exactly once."""

from __future__ import annotations

import math

from service import messages
from service.access.clients import Client, longest_ms
from service.api.deadlines import deadline_ms
from service.api.receipt import Headers
from service.api.server import Server
from service.errors import DeadlineInfeasible, Overloaded, ServiceError
from service.metrics import UNKNOWN
from service.outcomes import Outcome, StopReason
from service.pool import Ticket
from service.telemetry.tracer import Phases

STALL_SECONDS = 0.05
"""A hand-over to the transport that takes longer has waited for the reader, and says nothing of the server's speed."""

# What an answer of several samples is called: the reason nearest to the front that any of them has.
_BY_WEIGHT = (StopReason.DRAIN, StopReason.CLIENT_STOP, StopReason.SHED, StopReason.DEADLINE)


class Account:
    """One generation request from its receipt to its one ending.

    Args:
        arrival: when it was received, in seconds on the server's clock.
        client: who asks, if anybody keeps count.

    Attributes:
        begun_ms: from the receipt until the pool had the request.
        phases: what an answered request's time went into from then on.
        result: what it was answered with, if that are samples.
    """

    def __init__(self, server: Server, arrival: float, client: Client | None = None) -> None:
        self.metrics = server.metrics
        self.clock = server.clock
        self.arrival = arrival
        self.client = client
        self._server = server
        server.opened()
        self.model = UNKNOWN  # until the request is known to name a loaded one
        self.deadline_ms = math.inf  # until the request is known to have one
        self.outcome: Outcome | None = None
        self.facts: dict[str, object] = {}
        self.begun_ms = 0.0
        self.phases: Phases = ()
        self.result: messages.Result | None = None
        self._tickets: tuple[Ticket, ...] = ()
        self._inside = False
        self._accepted = False
        self._previewed = False

    @property
    def deadline(self) -> float:
        """When the last byte is due, in seconds on the clock."""
        return self.arrival + self.deadline_ms / 1000

    @property
    def longest_ms(self) -> float:
        """The longest deadline that the request may have, in milliseconds."""
        return longest_ms(self.client, self._server.settings)

    def given_ms(self, asked_ms: float | None, headers: Headers, default_ms: float | None = None) -> float:
        """The deadline that the request is given, in milliseconds from its receipt.

        Args:
            asked_ms: what the body says; None if it says nothing.
            headers: of HTTP, which may name an earlier one.
            default_ms: of a request that names none; the settings' own if None.

        Raises:
            Malformed: one of them does, and cannot be understood.
        """
        default_ms = default_ms or self._server.settings.default_deadline_ms
        return deadline_ms(asked_ms, headers, default_ms, self.longest_ms)

    def enter(self, path: str) -> None:
        """Take up one of the client's places until the end: for a request that shares its connection with others.

        Raises:
            ServiceError: the client may not send any, or has none free.
        """
        if self.client is not None:
            self.client.check(path)
            self.client.enter(self.clock.now())
            self._inside = True

    def elapsed_ms(self) -> float:
        """Milliseconds since the receipt."""
        return (self.clock.now() - self.arrival) * 1000

    def accepted(self, *tickets: Ticket) -> None:
        """The pool took the request, as the parts that it is made of."""
        self._accepted = True
        self._tickets = tickets
        self.begun_ms = self.elapsed_ms()
        self.facts["id"] = tickets[0].id

    def previewed(self) -> None:
        """A preview was handed to the transport."""
        if not self._previewed:
            self._previewed = True
            self.metrics.previewed(self.model, self.clock.now() - self.arrival)

    def answered(self, result: messages.Result) -> None:
        """The last byte of the answer was handed to the transport."""
        reasons = {output.stop_reason for output in result.outputs}
        reason = next((reason for reason in _BY_WEIGHT if reason in reasons), StopReason.COMPLETE)
        if self._end(Outcome(reason)):
            now = self.clock.now()
            self.metrics.answered(self.model, result, now - self.arrival, self.deadline - now)
            self.result = result
            timing = result.timing
            self.phases = (
                ("queue", timing.queue_ms),
                ("sample", timing.sample_ms),
                ("decode", timing.decode_ms),
                ("encode", timing.encode_ms),
            )
            self.facts["codes"] = [len(output.codes) for output in result.outputs]
            self.facts["slack_ms"] = round((self.deadline - now) * 1000, 3)

    def refused(self, error: ServiceError) -> None:
        """The request was answered with a problem."""
        if self._end(error.outcome):
            self.facts["problem"] = error.slug
            # Behind a fleet it is a replica that says no, after the request was accepted here.
            if self._accepted and not isinstance(error, (DeadlineInfeasible, Overloaded)):
                self.metrics.lost(self.model)
            else:
                self.metrics.rejected(error.slug)

    def abandoned(self) -> None:
        """The client went away, or took its request back."""
        self._end(Outcome.CLIENT_CLOSED)

    def close(self) -> None:
        """No ending was reported: the server failed to give one. Without effect after any other ending."""
        if self._end(Outcome.FAILED) and self._accepted:
            self.metrics.lost(self.model)

    def log_fields(self) -> dict[str, object]:
        """What the log says of this request."""
        deadline_ms = self.deadline_ms if math.isfinite(self.deadline_ms) else None
        had = sorted({ticket.worker for ticket in self._tickets if ticket.worker is not None})
        fixed = {"model": self.model, "outcome": self.outcome, "deadline_ms": deadline_ms, "workers": had or None}
        return {**fixed, **self.facts}

    def _end(self, outcome: Outcome) -> bool:
        """Record the first ending; False if there was one before."""
        if self.outcome is not None:
            return False
        self.outcome = outcome
        self._server.closed()
        if self._inside and self.client is not None:
            self.client.leave()
        self._count(outcome)
        return True

    def _count(self, outcome: Outcome) -> None:
        self.metrics.ended(self.model, outcome)


class EncodeAccount(Account):
    """The same of a request to encode, which is counted among its own."""

    def encoded(self, codes: int, phases: Phases) -> None:
        """The last byte of an answer with so many codes was handed to the transport.

        Args:
            phases: what its time went into, from its receipt on.
        """
        if self._end(Outcome.COMPLETE):
            self.phases = phases
            now = self.clock.now()
            self.metrics.encoded(self.model, now - self.arrival, self.deadline - now)
            self.facts["codes"] = [codes]
            self.facts["slack_ms"] = round((self.deadline - now) * 1000, 3)

    def _count(self, outcome: Outcome) -> None:
        self.metrics.encode_ended(self.model, outcome)
