"""A collector: takes spans by OTLP over HTTP, and reads them with OpenTelemetry's own protocol definitions."""

from __future__ import annotations

import contextlib
import gzip
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span


@dataclass
class Receiver:
    """What has come.

    Attributes:
        url: where it listens.
        status: what it answers.
        open: cleared while it keeps whoever sends waiting.
        asked: set with the first request.
        resource: what was last said of the sender.
    """

    url: str
    status: int = 200
    open: threading.Event = field(default_factory=threading.Event)
    asked: threading.Event = field(default_factory=threading.Event)
    spans: list[Span] = field(default_factory=list)
    resource: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)

    def take(self, body: bytes) -> None:
        request = ExportTraceServiceRequest.FromString(body)
        for of_resource in request.resource_spans:
            self.resource = attributes(of_resource.resource.attributes)
            for of_scope in of_resource.scope_spans:
                assert of_scope.scope.name == "anytime"
                self.spans += of_scope.spans

    def requests(self) -> list[Span]:
        """The spans of requests, without those of their phases."""
        return [span for span in self.spans if span.kind == Span.SPAN_KIND_SERVER]


def attributes(pairs: Any) -> dict[str, Any]:
    """As a dictionary."""
    return {pair.key: _value(pair.value) for pair in pairs if isinstance(pair, KeyValue)}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    assert kind is not None
    if kind == "array_value":
        return [_value(each) for each in value.array_value.values]
    return getattr(value, kind)


@contextlib.contextmanager
def receiver() -> Iterator[Receiver]:
    """One that listens until the end."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            here.headers = {name.lower(): value for name, value in self.headers.items()}
            here.asked.set()
            here.open.wait(30)
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            wanted = (self.path, self.headers["content-type"]) == ("/v1/traces", "application/x-protobuf")
            if wanted and here.status == 200:
                here.take(body)
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(here.status if wanted else 404)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        here = Receiver(f"http://127.0.0.1:{server.server_port}")
        here.open.set()
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield here
        finally:
            here.open.set()
            server.shutdown()
            thread.join()
