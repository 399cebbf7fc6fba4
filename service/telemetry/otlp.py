"""Requests as OpenTelemetry's spans, sent by OTLP over HTTP; the one module that uses OpenTelemetry's packages.

These read variables of their own for headers, certificates and what is said of the service
(`OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_EXPORTER_OTLP_CERTIFICATE`, `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from service.telemetry.exporter import Send
from service.telemetry.tracer import Ended, Story

_PATH = "/v1/traces"
_TIMEOUT_S = 5.0
_NS_PER_MS = 1_000_000
_SPAN_IDS = 1 << 64


def sender(endpoint: str, version: str) -> Send:
    """What sends spans to a collector.

    Args:
        endpoint: its address, without the path for traces.
        version: of this service.
    """
    # They write lines about every try, and about whatever a client puts into its `tracestate`. What there is to say is
    # said once, by whoever calls this.
    for name in ("opentelemetry", "urllib3"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    exporter = OTLPSpanExporter(endpoint.rstrip("/") + _PATH, timeout=_TIMEOUT_S)
    ours = Resource({"service.name": "anytime", "service.version": version})
    spans = _Spans(Resource.create().merge(ours).merge(OTELResourceDetector().detect()), version)

    def send(batch: Sequence[Ended]) -> bool:
        return exporter.export([span for each in batch for span in spans.of(each)]) is SpanExportResult.SUCCESS

    return send


class _Spans:
    """Makes the spans of a request: its own, and one for each of its phases under that."""

    def __init__(self, resource: Resource, version: str) -> None:
        self._resource = resource
        self._scope = InstrumentationScope("anytime", version)

    def of(self, ended: Ended) -> Iterator[ReadableSpan]:
        """The request's own first."""
        (trace_id, span_id, caller), story, end_ns = ended
        state = TraceState.from_header([caller.state]) if caller and caller.state else TraceState()

        def context(number: int, *, remote: bool = False) -> SpanContext:
            return SpanContext(int(trace_id, 16), number, remote, TraceFlags(TraceFlags.SAMPLED), state)

        number = int(span_id, 16)
        own = context(number)
        above = context(int(caller.parent_id, 16), remote=True) if caller else None
        start_ns = end_ns - round(story.ms * _NS_PER_MS)
        yield self._request(story, own, above, start_ns, end_ns)
        # The worker may have begun before this process, short of time, had looked at its clock.
        latest_ms = story.ms - sum(ms for _, ms in story.phases)
        begin_ns = start_ns + round(max(min(story.begun_ms, latest_ms), 0.0) * _NS_PER_MS)
        for place, (name, ms) in enumerate(story.phases, 1):
            until_ns = min(begin_ns + round(ms * _NS_PER_MS), end_ns)
            # The numbers after a random one are as good as others; none may be zero.
            yield self._phase(name, context((number + place) % _SPAN_IDS or _SPAN_IDS - 1), own, begin_ns, until_ns)
            begin_ns = until_ns

    def _request(
        self, story: Story, own: SpanContext, above: SpanContext | None, start_ns: int, end_ns: int
    ) -> ReadableSpan:
        return ReadableSpan(
            story.name,
            own,
            above,
            self._resource,
            story.attributes,
            kind=SpanKind.SERVER,
            status=Status(StatusCode.ERROR) if story.error else Status(),
            start_time=start_ns,
            end_time=end_ns,
            instrumentation_scope=self._scope,
        )

    def _phase(self, name: str, own: SpanContext, above: SpanContext, start_ns: int, end_ns: int) -> ReadableSpan:
        return ReadableSpan(
            name,
            own,
            above,
            self._resource,
            start_time=start_ns,
            end_time=end_ns,
            instrumentation_scope=self._scope,
        )
