"""The client's core by example, without a server and without a clock that goes: what is asked, told, tried and said."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import msgspec
import pytest
from manual_clock import ManualClock
from server_process import ROOT

from service.api.schemas import GenerateRequest
from service.client.budget import Budget, Retries
from service.client.conversation import Conversation, Hear, Heard, Open, Say, Show
from service.client.errors import (
    ClientError,
    DeadlineInfeasible,
    InvalidRequest,
    ModelNotFound,
    NotUnderstood,
    Overloaded,
    ServerFailed,
    TimedOut,
    TooManyRequests,
    TryLater,
    Unauthorised,
    Unreachable,
    refusal_of,
)
from service.client.exchange import Broken, Pause, Post, Reply, Terms, exchange
from service.client.request import Options, Request, refining, varying
from service.client.samples import Answer, Output, Preview, Sample

BUSY = {"type": "urn:anytime:problem:overloaded", "title": "Overloaded", "status": 503, "retry_after_s": 1}
INFEASIBLE = {"type": "urn:anytime:problem:deadline-infeasible", "title": "Deadline infeasible", "status": 504}
TIMING = dict.fromkeys(("queue_ms", "sample_ms", "decode_ms", "encode_ms", "total_ms"), 1.0)
OUTPUT: dict[str, Any] = {
    "index": 0,
    "media_type": "image/png",
    "codes": [5, 6],
    "codes_total": 4,
    "expected_quality": 0.75,
    "seed": 7,
    "label": "bag",
    "stop_reason": "deadline",
}
OUTPUTS: list[dict[str, Any]] = [{**OUTPUT, "b64": "UE5H"}]
ANSWER: dict[str, Any] = {"id": "a", "model": "tiny", "outputs": OUTPUTS, "deadline_ms": 50.0, "timing": TIMING}
ACCEPTED = {"type": "accepted", "id": "1", "model": "tiny", "n": 1, "codes_total": 4, "seed": 7, "label": "bag"}
SAMPLE = Sample(
    model="tiny", seed=7, index=2, label="bag", codes=(5, 6, 7), codes_total=4, top_k=3, scale=8, expected_quality=0.9
)


def reply(body: object, status: int = 200) -> Reply:
    return Reply(status, json.dumps(body).encode())


class Asked:
    """An exchange whose steps a test carries out."""

    def __init__(self, deadline_ms: float | None, **terms: Any) -> None:
        self.clock = ManualClock()
        self.terms = Terms(clock=self.clock, chance=lambda: 0.0, **terms)
        request = Request.of({"label": "bag"}) if deadline_ms is None else Request.of({"deadline_ms": deadline_ms})
        self.steps = exchange(request, self.terms.budget(deadline_ms), self.terms)
        self.step = next(self.steps)

    @property
    def post(self) -> Post:
        assert isinstance(self.step, Post)
        return self.step

    def deadline_ms(self) -> float | None:
        """What the server would be told now."""
        told: float | None = json.loads(self.post.write()).get("deadline_ms")
        return told

    def end(self, outcome: Reply | Broken) -> Answer:
        with pytest.raises(StopIteration) as caught:
            self.steps.send(outcome)
        answer: Answer = caught.value.value
        return answer

    def then(self, outcome: Reply | Broken | None) -> None:
        self.step = self.steps.send(outcome)


def test_the_deadline_counts_from_the_call_and_is_told_when_the_connection_stands() -> None:
    asked = Asked(50.0, network_ms=3.0)
    assert asked.post.connect_s == pytest.approx(0.047)
    assert asked.post.answer_s == pytest.approx(5.05)
    asked.clock.spend(0.012)
    assert asked.deadline_ms() == pytest.approx(35.0, abs=0.002)
    assert len(asked.post.write()) == asked.post.length
    asked.clock.spend(0.020)
    answer = asked.end(reply(ANSWER))
    assert answer.client_ms == pytest.approx(32.0)
    assert answer.output.codes == (5, 6)
    assert answer.output.data == b"PNG"
    asked = Asked(50.0)
    asked.clock.spend(0.050)
    with pytest.raises(TimedOut, match="the 50 ms were over before the request could be sent"):
        asked.post.write()


def test_without_a_deadline_the_server_takes_its_own() -> None:
    asked = Asked(None)
    assert asked.deadline_ms() is None
    asked.then(Broken("gone"))
    asked.clock.spend(9.0)
    asked.then(None)
    asked.clock.spend(1.1)
    with pytest.raises(Unreachable, match="gone"):
        asked.then(Broken("gone"))


def test_a_refusal_is_tried_again_when_the_server_says_and_time_allows() -> None:
    asked = Asked(1500.0)
    asked.clock.spend(0.1)
    asked.then(reply(BUSY, 503))
    assert asked.step == Pause(1.0)
    asked.clock.spend(1.0)
    asked.then(None)
    assert asked.deadline_ms() == pytest.approx(400.0, abs=0.002)
    with pytest.raises(DeadlineInfeasible) as caught:
        asked.then(reply(INFEASIBLE, 504))
    assert isinstance(caught.value.__cause__, Overloaded)
    with pytest.raises(Overloaded):  # no time to wait
        Asked(1004.0).then(reply(BUSY, 503))
    with pytest.raises(TryLater):  # no word when to come back
        Asked(1e4).then(reply({**BUSY, "retry_after_s": None}, 503))
    late = Asked(1500.0)
    late.then(reply(BUSY, 503))
    late.clock.spend(1.498)
    with pytest.raises(Overloaded):  # the pause was longer than it should have been
        late.then(None)


def test_a_broken_connection_is_tried_again_at_once_and_then_ever_later() -> None:
    asked = Asked(1000.0, retries=Retries(most=4))
    pauses = []
    for _ in range(4):
        asked.then(Broken("it broke"))
        assert isinstance(asked.step, Pause)
        pauses.append(asked.step.seconds)
        asked.then(None)
    assert pauses == [0.0, 0.025, 0.05, 0.1]
    with pytest.raises(Unreachable, match="it broke"):
        asked.then(Broken("it broke"))
    with pytest.raises(TimedOut):  # waited for in vain: there is nothing left
        Asked(50.0).then(Broken("nothing came", waited=True))


@pytest.mark.parametrize(
    ("status", "slug", "kind"),
    [
        (400, "malformed-request", InvalidRequest),
        (401, "unauthorized", Unauthorised),
        (403, "forbidden", Unauthorised),
        (404, "model-not-found", ModelNotFound),
        (404, "not-found", InvalidRequest),
        (422, "invalid-field", InvalidRequest),
        (429, "rate-limited", TooManyRequests),
        (500, "internal", ServerFailed),
        (503, "overloaded", Overloaded),
        (503, "draining", TryLater),
        (504, "deadline-infeasible", DeadlineInfeasible),
    ],
)
def test_every_refusal_has_its_error(status: int, slug: str, kind: type[ClientError]) -> None:
    found = refusal_of(
        status,
        json.dumps(
            {
                "type": f"urn:anytime:problem:{slug}",
                "title": "No",
                "status": status,
                "detail": "Because.",
                "minimum_deadline_ms": 3.5,
            }
        ).encode(),
        "2",
    )
    assert type(found) is kind
    assert str(found) == f"the server answered {status} no: Because."
    if isinstance(found, TryLater):
        assert found.retry_after_s == 2
    if isinstance(found, DeadlineInfeasible):
        assert found.minimum_deadline_ms == 3.5


@pytest.mark.parametrize("content", [b"", b"<html>", b"{}", b"\xff", b"[" * 5000])
def test_what_stands_between_answers_in_its_own_words(content: bytes) -> None:
    found = refusal_of(503, content, "3")
    assert isinstance(found, TryLater)
    assert found.retry_after_s == 3
    assert type(refusal_of(502, content, None)) is ServerFailed
    assert str(refusal_of(504, content, None)) == "the server answered 504 gateway timeout"
    assert type(refusal_of(504, content, None)) is ServerFailed  # it knows nothing of a smallest deadline
    assert type(refusal_of(403, content, None)) is Unauthorised
    assert type(refusal_of(404, content, "x")) is NotUnderstood
    assert type(refusal_of(599, content, None)) is ServerFailed


@pytest.mark.parametrize("body", [[], {}, {**ANSWER, "outputs": []}, {**ANSWER, "outputs": [{}]}, {**ANSWER, "id": 1}])
def test_an_answer_that_is_none(body: object) -> None:
    with pytest.raises(NotUnderstood):
        Asked(50.0).then(reply(body))


def test_what_a_newer_server_adds_is_passed_over() -> None:
    newer = {**ANSWER, "version": "v9", "more": 1, "outputs": [{**OUTPUTS[0], "stop_reason": "new"}]}
    answer = Asked(50.0).end(reply(newer))
    assert (answer.output.version, answer.output.stop_reason) == ("v9", "new")


def test_everything_that_the_server_takes_can_be_asked_for() -> None:
    # How often to be shown something is asked of a stream, and not over HTTP.
    assert set(Options.__annotations__) == set(GenerateRequest.model_fields) - {"preview_ms"}
    with pytest.raises(TypeError, match="there is no 'lable' to ask for, only model"):
        Request.of({"lable": "bag"})  # type: ignore[typeddict-unknown-key]
    for deadline_ms in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="a deadline is a positive number"):
            Request.of({"deadline_ms": deadline_ms})


def test_going_on_with_a_sample_and_varying_it() -> None:
    kind = {"model": "tiny", "label": "bag", "top_k": 3, "scale": 8}
    assert refining(SAMPLE, {"deadline_ms": 9}) == Request(9, {**kind, "seed": 7, "index": 2, "codes": SAMPLE.codes})
    assert varying(SAMPLE, 4, 2, None, {"scale": 1}).fields == {**kind, "scale": 1, "n": 4, "codes": (5, 6)}
    output = Output(**{**msgspec.structs.asdict(SAMPLE), "media_type": "application/x-npy", "data": b""})
    assert refining(output, {}).fields["format"] == "npy"
    assert refining(output, {"format": "png"}).fields["format"] == "png"
    for keep in (-1, 4):
        with pytest.raises(ValueError, match="keep must be from 0 to 3"):
            varying(SAMPLE, 1, keep, None, {})
    for request in (refining(SAMPLE, {"deadline_ms": 9}), varying(SAMPLE, 4, 2, 1, {"deadline_ms": 9})):
        GenerateRequest.model_validate_json(request.body(9))


def test_what_is_told_is_never_more_than_is_left() -> None:
    budget = Budget(0.0, 10.0)
    assert budget.told_ms(0.0033333) == 6.666
    assert budget.told_ms(0.01) == 0
    assert budget.told_ms(1.0) == 0


class Said:
    """A conversation whose steps a test carries out, up to where the server is listened to."""

    def __init__(self, deadline_ms: float | None = 100.0) -> None:
        self.clock = ManualClock()
        self.talk = Conversation(
            Request.of({"deadline_ms": deadline_ms, "label": "bag"}), 5.0, Terms(clock=self.clock, chance=lambda: 0.0)
        )
        self.told: list[dict[str, Any]] = []

    def until_heard(self) -> None:
        """Carry out what needs no answer."""
        while not isinstance(self.talk.step, Hear | Pause | Show):
            if isinstance(self.talk.step, Say):
                self.told.append(json.loads(self.talk.step.text))
            else:
                assert isinstance(self.talk.step, Open)
                self.clock.spend(0.002)
            self.talk.done(None)

    def hear(self, *messages: dict[str, Any] | bytes) -> None:
        for each in messages:
            self.until_heard()
            assert isinstance(self.talk.step, Hear)
            self.talk.done(Heard(each if isinstance(each, bytes) else json.dumps(each)))

    def shown(self) -> Preview | Answer:
        step = self.talk.step
        assert isinstance(step, Show)
        self.talk.done(None)
        return step.event


def test_a_stream_from_the_question_to_the_answer() -> None:
    said = Said()
    said.hear({**ACCEPTED, "deadline_ms": 98.0})
    assert said.told == [
        {
            "type": "generate",
            "id": "1",
            "binary": True,
            "preview_ms": 5.0,
            "label": "bag",
            "deadline_ms": pytest.approx(98.0, abs=0.002),
        }
    ]
    assert said.talk.accepted is not None
    assert said.talk.accepted.seed == 7
    preview = {"type": "preview", "id": "1", "output": {**OUTPUT, "stop_reason": None, "bytes": 3}, "elapsed_ms": 4.0}
    said.hear(preview, b"abc")
    shown = said.shown()
    assert isinstance(shown, Preview)
    assert (shown.output.data, shown.output.model, shown.output.stop_reason) == (b"abc", "tiny", None)
    said.clock.spend(0.05)
    outputs = [{**OUTPUT, "bytes": 2}, {**OUTPUT, "index": 1, "bytes": 1}]
    said.hear({**ANSWER, "type": "completed", "outputs": outputs}, b"abc")
    shown = said.shown()
    assert isinstance(shown, Answer)
    assert [each.data for each in shown.outputs] == [b"ab", b"c"]
    assert shown.client_ms == pytest.approx(52.0)
    assert said.talk.answer is shown
    with pytest.raises(StopIteration):
        said.talk.step  # noqa: B018


def test_orders_count_from_the_asking_as_the_server_does() -> None:
    said = Said()
    said.talk.stop()  # before there is anybody to be told
    assert list(said.talk.orders()) == []
    said.until_heard()
    assert [each["type"] for each in said.told] == ["generate", "stop"]
    said = Said()
    said.until_heard()
    said.talk.extend(99.0)
    assert list(said.talk.orders()) == []  # not later than what it has
    said.talk.extend(300.0)
    (order,) = said.talk.orders()
    assert json.loads(order) == {"type": "extend", "id": "1", "deadline_ms": pytest.approx(298.0)}
    step = said.talk.step
    assert isinstance(step, Hear)
    said.hear({**ACCEPTED, "deadline_ms": 298.0})
    assert isinstance(said.talk.step, Hear)
    assert said.talk.step.within_s == pytest.approx(5.298)
    early = Said()
    early.talk.extend(500.0)
    early.until_heard()
    assert [each["deadline_ms"] for each in early.told] == [pytest.approx(498.0, abs=0.002)]


def test_a_cancelled_stream_ends_without_an_answer() -> None:
    said = Said()
    said.hear({**ACCEPTED, "deadline_ms": 98.0})
    said.talk.cancel()
    assert [json.loads(each)["type"] for each in said.talk.orders()] == ["cancel"]
    said.hear(
        {"type": "error", "id": "1", "problem": {"type": "urn:anytime:problem:cancelled", "title": "", "status": 499}}
    )
    with pytest.raises(StopIteration):
        said.talk.step  # noqa: B018
    assert said.talk.answer is None


def test_a_stream_that_breaks_is_begun_again_for_the_same_samples() -> None:
    said = Said(1000.0)
    said.hear({**ACCEPTED, "deadline_ms": 998.0})
    said.until_heard()
    said.clock.spend(0.1)
    said.talk.done(Broken("it broke"))
    assert said.talk.step == Pause(0.0)
    said.talk.done(None)
    said.until_heard()
    assert said.told[1]["seed"] == 7
    assert said.told[1]["deadline_ms"] == pytest.approx(896.0, abs=0.002)
    said.talk.stop()
    with pytest.raises(Unreachable):  # it was to be answered now, and not begun again
        said.talk.done(Broken("it broke"))


NO_STREAMS: list[list[dict[str, Any] | bytes]] = [
    [b"abc"],
    [{"type": "unheard-of"}],
    [{"type": "completed", **ANSWER}, {"type": "completed", **ANSWER}],
    [{"type": "completed", **ANSWER}, b"longer than announced"],
    [{"type": "preview", "output": {**OUTPUT, "bytes": 1}, "elapsed_ms": 1.0}, b"a"],
]


@pytest.mark.parametrize("messages", NO_STREAMS)
def test_a_stream_that_is_none(messages: list[dict[str, Any] | bytes]) -> None:
    with pytest.raises(NotUnderstood):
        Said().hear(*messages)


def test_the_clients_load_nothing_of_the_server() -> None:
    """Nor of training, nor PyTorch; nor do the commands load the clients before they are needed."""
    check = (
        "import sys; from anytime import AnytimeClient, AsyncAnytimeClient, read_sample; "
        "heavy = {'torch', 'numpy', 'pydantic', 'fastapi', 'training', 'typer', 'PIL', 'soundfile', 'service.api', "
        "'service.settings', 'service.encode'} & set(sys.modules); assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", check], cwd=ROOT, check=True)
    check = "import sys, anytime; anytime.app; assert not {'httpx', 'torch'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", check], cwd=ROOT, check=True)
