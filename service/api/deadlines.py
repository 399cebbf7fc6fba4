"""Which deadline a request has: the earliest of those it names, clamped to the longest that its client may have.

Understood are the body's `deadline_ms` and the headers `x-request-timeout-seconds` (Ray Serve), `grpc-timeout` (gRPC)
and `x-envoy-expected-rq-timeout-ms` (Envoy). All count from the server's receipt of the request. A malformed header is
an error: to ignore it would be to promise a time that the client did not ask for.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable

from service.errors import Malformed

SECONDS = re.compile(r"[0-9]{1,15}(\.[0-9]{0,15})?([eE][+-]?[0-9]{1,3})?")
MILLISECONDS = re.compile(r"[0-9]{1,15}")
GRPC = re.compile(r"([0-9]{1,8})([HMSmun])")
_GRPC_UNIT_MS = {"H": 3_600_000.0, "M": 60_000.0, "S": 1_000.0, "m": 1.0, "u": 1e-3, "n": 1e-6}


def deadline_ms(
    body_ms: float | None, headers: Iterable[tuple[bytes, bytes]], default_ms: float, longest_ms: float
) -> float:
    """The deadline of a request in milliseconds from its receipt: 0 < result <= longest_ms.

    Args:
        body_ms: the body's field, already known to be positive and finite, or None.
        headers: names (lower case) and values as ASGI gives them.
        default_ms: of a request that names none.
        longest_ms: what longer ones are clamped to.

    Raises:
        Malformed: a deadline header that is not of its format, or not a positive finite time.
    """
    named = list(_from_headers(headers))
    if body_ms is not None:
        named.append(body_ms)
    return min([*named, longest_ms] if named else [default_ms, longest_ms])


def _from_headers(headers: Iterable[tuple[bytes, bytes]]) -> Iterable[float]:
    for name, value in headers:
        parse = _PARSERS.get(name)
        if parse is None:
            continue
        milliseconds = parse(value.decode("latin-1").strip())
        if milliseconds is None or not 0 < milliseconds < math.inf:
            raise Malformed(f"The header {name.decode()} is not {_FORMATS[name]}.")
        yield milliseconds


def _ray(value: str) -> float | None:
    return float(value) * 1000 if SECONDS.fullmatch(value) else None


def _grpc(value: str) -> float | None:
    match = GRPC.fullmatch(value)
    return int(match[1]) * _GRPC_UNIT_MS[match[2]] if match else None


def _envoy(value: str) -> float | None:
    return float(value) if MILLISECONDS.fullmatch(value) else None


_PARSERS: dict[bytes, Callable[[str], float | None]] = {
    b"x-request-timeout-seconds": _ray,
    b"grpc-timeout": _grpc,
    b"x-envoy-expected-rq-timeout-ms": _envoy,
}
_FORMATS = {
    b"x-request-timeout-seconds": "a positive number of seconds",
    b"grpc-timeout": "1 to 8 digits above zero and one of H M S m u n",
    b"x-envoy-expected-rq-timeout-ms": "a positive whole number of milliseconds",
}
