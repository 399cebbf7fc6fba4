"""What callers say of their traces."""

from __future__ import annotations

import pytest

from service.telemetry.context import TraceContext, trace_context

TRACE, PARENT = b"0af7651916cd43dd8448eb211c80319c", b"b7ad6b7169203331"
GOOD = b"00-%b-%b-01" % (TRACE, PARENT)


@pytest.mark.parametrize(
    ("value", "sampled"),
    [
        (GOOD, True),
        (GOOD[:-2] + b"00", False),
        (GOOD[:-2] + b"02", False),
        (GOOD[:-2] + b"ff", True),
        (b"cc" + GOOD[2:], True),
        (b"cc" + GOOD[2:] + b"-later-versions-say-more", True),
    ],
)
def test_the_trace_that_a_request_is_part_of(value: bytes, sampled: bool) -> None:
    headers = [(b"host", b"a"), (b"traceparent", value), (b"tracestate", b"x=1"), (b"tracestate", b"y=2")]
    assert trace_context(headers) == TraceContext(TRACE.decode(), PARENT.decode(), sampled, "x=1,y=2")


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"ff" + GOOD[2:],
        GOOD.upper(),
        GOOD + b"-more",
        GOOD + b"\n",
        b" " + GOOD,
        GOOD[:-1],
        b"cc" + GOOD[2:] + b"more",
        GOOD.replace(TRACE, b"0" * 32),
        GOOD.replace(PARENT, b"0" * 16),
        GOOD.replace(b"-", b"_"),
    ],
)
def test_what_is_no_traceparent_is_ignored(value: bytes) -> None:
    assert trace_context([(b"traceparent", value), (b"tracestate", b"x=1")]) is None


def test_one_request_is_part_of_one_trace() -> None:
    assert trace_context([]) is None
    assert trace_context([(b"traceparent", GOOD), (b"traceparent", GOOD)]) is None
