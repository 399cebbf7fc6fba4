"""Every way to say a deadline, and every way to say it wrongly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api.deadlines import deadline_ms
from service.errors import Malformed

DEFAULT_MS, LONGEST_MS = 500, 10_000


def resolve(body: float | None, **headers: str) -> float:
    raw = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    return deadline_ms(body, raw, DEFAULT_MS, LONGEST_MS)


def test_default_and_clamp() -> None:
    assert resolve(None) == 500
    assert resolve(20) == 20
    assert resolve(10_001) == 10_000
    assert deadline_ms(None, (), 500, 100) == 100


@pytest.mark.parametrize(
    ("name", "value", "milliseconds"),
    [
        ("x_request_timeout_seconds", "0.05", 50),
        ("x_request_timeout_seconds", "2", 2000),
        ("x_request_timeout_seconds", "5e-2", 50),
        ("x_request_timeout_seconds", " 1. ", 1000),
        ("grpc_timeout", "1H", 10_000),
        ("grpc_timeout", "1M", 10_000),
        ("grpc_timeout", "2S", 2000),
        ("grpc_timeout", "75m", 75),
        ("grpc_timeout", "7500u", 7.5),
        ("grpc_timeout", "99999999n", 99.999999),
        ("x_envoy_expected_rq_timeout_ms", "40", 40),
    ],
)
def test_headers(name: str, value: str, milliseconds: float) -> None:
    assert resolve(None, **{name: value}) == pytest.approx(milliseconds)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(
            ("x_request_timeout_seconds", bad)
            for bad in ("", "0", "0.0", "-1", "+1", "nan", "inf", "1e999", "1,5", "１", "1_0")
        ),
        *(
            ("grpc_timeout", bad)
            for bad in ("", "50", "50s", "50MS", "123456789m", "0m", "-5m", "5.0m", "5 m", "m", "٣m")
        ),
        *(("x_envoy_expected_rq_timeout_ms", bad) for bad in ("", "0", "-1", "1.5", "1e3", "9" * 16, "ten")),
    ],
)
def test_malformed_headers_are_errors(name: str, value: str) -> None:
    raw = [(name.replace("_", "-").encode(), value.encode())]
    with pytest.raises(Malformed, match=name.replace("_", "-")):
        deadline_ms(100, raw, DEFAULT_MS, LONGEST_MS)


def test_a_repeated_header_counts_each_time() -> None:
    assert deadline_ms(None, [(b"grpc-timeout", b"80m"), (b"grpc-timeout", b"30m")], DEFAULT_MS, LONGEST_MS) == 30
    with pytest.raises(Malformed):
        deadline_ms(None, [(b"grpc-timeout", b"80m"), (b"grpc-timeout", b"x")], DEFAULT_MS, LONGEST_MS)


@given(
    body=st.none() | st.floats(1e-3, 1e6),
    ray=st.none() | st.integers(1, 10**6).map(lambda ms: ms / 1000),
    grpc=st.none() | st.integers(1, 99_999_999),
    envoy=st.none() | st.integers(1, 10**6),
)
def test_the_earliest_wins(body: float | None, ray: float | None, grpc: int | None, envoy: int | None) -> None:
    headers = {}
    if ray is not None:
        headers["x_request_timeout_seconds"] = f"{ray:.3f}"
    if grpc is not None:
        headers["grpc_timeout"] = f"{grpc}u"
    if envoy is not None:
        headers["x_envoy_expected_rq_timeout_ms"] = str(envoy)
    named = [body, ray and ray * 1000, grpc and grpc / 1000, envoy]
    earliest = min((each for each in named if each is not None), default=500)
    assert resolve(body, **headers) == pytest.approx(min(earliest, 10_000))
