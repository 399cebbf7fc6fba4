"""Every request that was sent is in exactly one class."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus

import msgspec

from service.bench.connections import Exchange
from service.bench.schedule import Ask, Planned

_REFUSALS = (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT)


class Class(StrEnum):
    """What became of a request, judged at the client.

    on_time   a complete answer whose last byte came within the deadline, counted from when the request was due
    late      a complete answer, after that
    refused   503 or 504
    failed    anything else: another status, no answer, a broken one
    """

    ON_TIME = "on_time"
    LATE = "late"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one request.

    Attributes:
        reason: of a refusal the problem's type, of a failure a few words; None of an answer.
        client_ms: from when the request was due to the last byte; None if there was no response.
        send_late_ms: how long after it was due the request was sent; None if it never was.
        codes, stop_reasons, qualities: of each sample of an answer.
        worker_ms: how much of an answer's `client_ms` its worker had it; None if the answer does not say.
    """

    planned: Planned
    group: Class
    status: int | None
    reason: str | None
    client_ms: float | None
    send_late_ms: float | None
    codes: tuple[int, ...] = ()
    stop_reasons: tuple[str, ...] = ()
    qualities: tuple[float, ...] = ()
    worker_ms: float | None = None

    @property
    def overshoot_ms(self) -> float | None:
        """How long after its deadline an answer came, negative if before; None without an answer."""
        answered = self.group in {Class.ON_TIME, Class.LATE}
        return self.client_ms - self.planned.deadline_ms if answered and self.client_ms is not None else None


class _Output(msgspec.Struct):
    codes: list[int]
    stop_reason: str
    expected_quality: float


class _Timing(msgspec.Struct):
    queue_ms: float
    sample_ms: float
    decode_ms: float
    encode_ms: float

    @property
    def worker_ms(self) -> float:
        return self.queue_ms + self.sample_ms + self.decode_ms + self.encode_ms


class _Answer(msgspec.Struct):
    outputs: list[_Output]
    timing: _Timing | None = None


class _Problem(msgspec.Struct):
    type: str


_ANSWER = msgspec.json.Decoder(_Answer)
_PROBLEM = msgspec.json.Decoder(_Problem)


def judge(planned: Planned, ask: Ask, exchange: Exchange) -> Verdict:
    """Put a request that has ended into its class."""
    late_ms = None if exchange.sent is None else (exchange.sent - exchange.due) * 1000
    if exchange.error is not None or exchange.status is None or exchange.ended is None:
        return Verdict(planned, Class.FAILED, None, exchange.error or "no answer", None, late_ms)
    client_ms = (exchange.ended - exchange.due) * 1000
    if exchange.status == HTTPStatus.OK:
        return _answered(planned, ask, exchange.body, client_ms, late_ms)
    reason, group = _problem(exchange.body), Class.REFUSED
    if exchange.status not in _REFUSALS:
        reason, group = f"status {exchange.status} {reason}".strip(), Class.FAILED
    return Verdict(planned, group, exchange.status, reason or "unexplained", client_ms, late_ms)


def _answered(planned: Planned, ask: Ask, body: bytes, client_ms: float, late_ms: float | None) -> Verdict:
    try:
        answer = _ANSWER.decode(body)
    except msgspec.DecodeError:
        return Verdict(planned, Class.FAILED, HTTPStatus.OK, "unreadable answer", client_ms, late_ms)
    outputs, timing = answer.outputs, answer.timing
    codes = tuple(len(each.codes) for each in outputs)
    if len(codes) != ask.n or min(codes) < ask.min_codes:
        return Verdict(planned, Class.FAILED, HTTPStatus.OK, "incomplete answer", client_ms, late_ms)
    return Verdict(
        planned,
        Class.ON_TIME if client_ms <= planned.deadline_ms else Class.LATE,
        HTTPStatus.OK,
        None,
        client_ms,
        late_ms,
        codes,
        tuple(each.stop_reason for each in outputs),
        tuple(each.expected_quality for each in outputs),
        timing.worker_ms if timing else None,
    )


def _problem(body: bytes) -> str:
    """The last word of a problem's type, empty if the body is none."""
    try:
        return _PROBLEM.decode(body).type.rpartition(":")[2]
    except msgspec.DecodeError:
        return ""
