"""Whatever becomes of the requests that were sent, each is in exactly one class, and the numbers add up."""

from __future__ import annotations

import asyncio
import json

from hypothesis import given, settings
from hypothesis import strategies as st

from service.bench.cells import count_cell, count_detail
from service.bench.connections import Exchange
from service.bench.schedule import Ask, Planned
from service.bench.verdicts import Class, Verdict, judge

ASK = Ask("tiny", max_codes=8, n=2, min_codes=2)

outputs = st.lists(
    st.fixed_dictionaries(
        {
            "codes": st.lists(st.integers(0, 9), min_size=1, max_size=8),
            "expected_quality": st.floats(0, 1),
            "stop_reason": st.sampled_from(["complete", "deadline", "shed"]),
        }
    ),
    max_size=3,
)
bodies = (
    st.binary(max_size=20)
    | outputs.map(lambda each: json.dumps({"outputs": each}).encode())
    | st.sampled_from(["overloaded", "draining"]).map(lambda slug: json.dumps({"type": f"urn:x:{slug}"}).encode())
)


@st.composite
def judged(draw: st.DrawFn) -> Verdict:
    due = draw(st.floats(0, 100))
    sent = due + draw(st.floats(0, 1))
    exchange = draw(st.builds(_exchange, st.just(due)))
    if draw(st.booleans()):
        exchange.sent = sent
    now = sent + draw(st.floats(0, 1))
    match draw(st.sampled_from(["response", "error", "nothing"])):
        case "response":
            exchange.body = draw(bodies)
            exchange.end(now, status=draw(st.sampled_from([200, 200, 400, 422, 500, 503, 504])))
        case "error":
            exchange.end(now, error="connection closed")
    exchange.end(now + 1, status=200)  # whatever comes after the first ending changes nothing, unless it is the first
    return judge(Planned(due, draw(st.floats(1, 2000)), 7), ASK, exchange)


def _exchange(due: float) -> Exchange:
    async def make() -> Exchange:
        return Exchange(b"", due)

    return asyncio.run(make())


@settings(deadline=None)
@given(verdicts=st.lists(judged(), max_size=20), bound=st.floats(0.1, 100), noise_ms=st.floats(0, 100))
def test_every_request_is_in_exactly_one_class(verdicts: list[Verdict], bound: float, noise_ms: float) -> None:
    cell = count_cell(1.0, verdicts, bound)
    detail = count_detail(1.0, 10.0, verdicts, [noise_ms], 0, 0.1)
    assert cell.sent == len(verdicts) == cell.ok + cell.refused + cell.failed
    assert cell.ok == cell.on_time + cell.late
    assert detail.late_within_noise <= cell.late
    assert sum(detail.refusals.values()) == cell.refused
    assert sum(detail.failures.values()) == cell.failed
    assert sum(detail.stop_reasons.values()) == cell.ok * ASK.n


@settings(deadline=None)
@given(verdict=judged())
def test_an_answer_is_late_exactly_when_its_last_byte_came_after_the_deadline(verdict: Verdict) -> None:
    if verdict.group in {Class.ON_TIME, Class.LATE}:
        assert verdict.client_ms is not None
        assert (verdict.group is Class.LATE) == (verdict.client_ms > verdict.planned.deadline_ms)
        assert len(verdict.codes) == len(verdict.qualities) == len(verdict.stop_reasons) == ASK.n
        assert min(verdict.codes) >= ASK.min_codes
    else:
        assert verdict.reason
        assert verdict.codes == verdict.qualities == ()
