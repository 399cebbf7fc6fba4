"""What is left of a request once it has ended: a line in the log, and spans for those who follow its trace."""

from __future__ import annotations

from collections.abc import Mapping

from service.api.account import Account
from service.api.server import Server
from service.outcomes import Outcome
from service.telemetry.context import TraceContext
from service.telemetry.tracer import Story, Value

_OF_SERVICE = frozenset({Outcome.FAILED, Outcome.OVERLOADED, Outcome.UNAVAILABLE, Outcome.INFEASIBLE})
"""Outcomes that are the service's fault, as statuses from 500 on are by OpenTelemetry's conventions for HTTP."""


def leave(
    server: Server,
    path: str,
    account: Account | None,
    trace: TraceContext | None,
    ms: float,
    *,
    request_id: str,
    key: str | None,
    route: str | None = None,
    method: str | None = None,
    status: int | None = None,
) -> None:
    """Book a request that has just ended.

    Args:
        account: of one that took time; only those leave spans.
        trace: what its caller says of it.
        ms: from its receipt to its end.
        request_id: as its client knows it.
        key: name of the client's key.
        route: template of the path, where that holds names that clients choose; spans are called by it.
        method, status: of HTTP; a request on a websocket has none of its own.
    """
    facts = account.log_fields() if account else {}
    named: dict[str, object] = {"method": method, "status": status, "request_id": request_id}
    span = server.tracer.sample(trace) if server.tracer and account else None
    trace_id = span.trace_id if span else trace.trace_id if trace else None
    if server.tracer and span and account:
        attributes = _attributes(path, {**named, "route": route, "key": key, **facts}, account)
        name = f"{method} {route or path}" if method else path
        failed = account.outcome in _OF_SERVICE
        server.tracer.ended(span, Story(name, ms, account.begun_ms, account.phases, attributes, failed))
    server.log.add(path, **named, trace_id=trace_id, key=key, ms=round(ms, 3), **facts)


_NAMES = {
    "method": "http.request.method",
    "route": "http.route",
    "status": "http.response.status_code",
    "problem": "error.type",
}
"""OpenTelemetry's own names for what it has any for; all else is named for this service."""


def _attributes(path: str, facts: Mapping[str, object], account: Account) -> dict[str, Value]:
    """What a request's span says: what its line in the log does, and what its samples are worth."""
    said: dict[str, Value] = {"url.path": path}
    for name, fact in facts.items():
        if isinstance(fact, str | int | float | list):
            said[_NAMES.get(name, f"anytime.{name}")] = fact
    if account.result is not None:
        outputs = account.result.outputs
        said["anytime.stop_reason"] = [output.stop_reason for output in outputs]
        said["anytime.expected_quality"] = [output.expected_quality for output in outputs]
    return said
