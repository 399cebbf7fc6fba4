"""The caller's trace, passed on to the server."""

from __future__ import annotations

import sys


def trace_headers() -> dict[str, str]:
    """W3C `traceparent` and `tracestate` of the OpenTelemetry span that the caller is in; nothing without one.

    Who has not imported OpenTelemetry has no span, and does not pay for it.
    """
    headers: dict[str, str] = {}
    if "opentelemetry.trace" in sys.modules:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        TraceContextTextMapPropagator().inject(headers)
    return headers
