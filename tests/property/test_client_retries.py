"""However a server behaves and however long everything takes, a client never asks for more time than its caller has."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from manual_clock import ManualClock

from service.client.budget import Retries
from service.client.conversation import Conversation, Hear, Heard, Open, Say, Show
from service.client.errors import ClientError, Refused, TimedOut, Unreachable
from service.client.exchange import Broken, Outcome, Pause, Post, Reply, Terms, exchange
from service.client.request import Request
from service.client.samples import Answer

REFUSALS = {400: "malformed-request", 422: "invalid-field", 429: "rate", 503: "overloaded", 504: "deadline-infeasible"}
milliseconds = st.floats(0, 400)


@dataclass(frozen=True)
class Happening:
    """What becomes of one try: how long until it can be sent, until it ends, and how; and how late a pause ends."""

    connect_ms: float
    answer_ms: float
    status: int  # 0 for a connection that breaks
    retry_after_s: float | None
    oversleep_ms: float


happenings = st.builds(
    Happening,
    connect_ms=milliseconds,
    answer_ms=milliseconds,
    status=st.sampled_from([0, 0, 503, 503, 429, *REFUSALS, 500, 502, 200]),
    retry_after_s=st.none() | st.floats(0, 0.5),
    oversleep_ms=milliseconds,
)
waits = st.builds(Retries, most=st.integers(0, 6), least_ms=st.floats(0, 50), first_wait_ms=st.floats(0, 100))


def problem(happening: Happening) -> dict[str, object]:
    slug = REFUSALS.get(happening.status, "internal")
    found = {"type": f"urn:anytime:problem:{slug}", "title": slug, "status": happening.status}
    return found if happening.retry_after_s is None else {**found, "retry_after_s": happening.retry_after_s}


def answer() -> bytes:
    timing = dict.fromkeys(("queue_ms", "sample_ms", "decode_ms", "encode_ms", "total_ms"), 1.0)
    output = {"index": 0, "media_type": "image/png", "codes": [1], "codes_total": 2, "expected_quality": 0.5}
    outputs = [{**output, "seed": 7, "label": None, "b64": "", "stop_reason": "deadline"}]
    return json.dumps({"id": "a", "model": "m", "outputs": outputs, "deadline_ms": 1.0, "timing": timing}).encode()


class World:
    """Time that only what happens takes, and what was asked for when."""

    def __init__(self, happenings: list[Happening], deadline_ms: float, retries: Retries, network_ms: float) -> None:
        self.clock = ManualClock()
        self.terms = Terms(network_ms, 1.0, retries, self.clock, chance=lambda: 0.5)
        self.deadline_ms = deadline_ms
        self.happenings = happenings
        self.tries: list[Happening] = []
        self.asked: list[tuple[float, float]] = []  # milliseconds since the call, and the deadline asked for then
        self.started = self.clock.seconds

    @property
    def spent_ms(self) -> float:
        return (self.clock.seconds - self.started) * 1000

    def begin(self) -> Happening:
        happening = self.happenings[len(self.tries) % len(self.happenings)]
        self.check_another()
        self.tries.append(happening)
        self.clock.spend(happening.connect_ms / 1000)
        return happening

    def check_another(self) -> None:
        """Another try is only made within the time, and after what passes by itself."""
        if not self.tries:
            return
        before = self.tries[-1]
        assert len(self.tries) <= self.terms.retries.most
        left_ms = self.deadline_ms - self.spent_ms
        assert left_ms > 0
        assert left_ms >= self.terms.retries.least_ms
        assert before.status == 0 or (before.status in (429, 503) and before.retry_after_s is not None)

    def note(self, body: bytes | str) -> None:
        self.asked.append((self.spent_ms, msgspec.json.decode(body)["deadline_ms"]))

    def pause(self, step: Pause) -> None:
        before = self.tries[-1]
        if before.status != 0:
            assert before.retry_after_s is not None
            assert step.seconds >= before.retry_after_s
        self.clock.spend(step.seconds + before.oversleep_ms / 1000)

    def check(self, ended_by: ClientError | None) -> None:
        for spent_ms, told_ms in self.asked:
            assert told_ms > 0
            assert spent_ms + told_ms <= self.deadline_ms - self.terms.network_ms + 1e-6
        last = self.tries[-1]
        if ended_by is None:
            assert last.status == 200
        elif not isinstance(ended_by, TimedOut):
            assert isinstance(ended_by, Refused if last.status else Unreachable)


@given(st.lists(happenings, min_size=1, max_size=8), st.floats(1, 3000), waits, st.floats(0, 20))
def test_over_http(happenings: list[Happening], deadline_ms: float, retries: Retries, network_ms: float) -> None:
    world = World(happenings, deadline_ms, retries, network_ms)
    request = Request(deadline_ms, {"label": "bag"})
    steps = exchange(request, world.terms.budget(deadline_ms), world.terms)
    outcome: Outcome = None
    ended_by: ClientError | None = None
    answered: Answer | None = None
    try:
        while True:
            step = steps.send(outcome)
            if isinstance(step, Pause):
                world.pause(step)
                outcome = None
            else:
                outcome = carry_out(world, step)
    except StopIteration as end:
        answered = end.value
    except ClientError as error:
        ended_by = error
    assert answered is None or answered.client_ms == world.spent_ms
    world.check(ended_by)


def carry_out(world: World, step: Post) -> Reply | Broken:
    happening = world.begin()
    if happening.connect_ms / 1000 > step.connect_s:
        return Broken("no connection in time", waited=True)
    body = step.write()
    assert len(body) == step.length
    world.note(body)
    world.clock.spend(happening.answer_ms / 1000)
    if happening.status == 0:
        return Broken("it broke")
    content = answer() if happening.status == 200 else json.dumps(problem(happening)).encode()
    return Reply(happening.status, content)


@given(st.lists(happenings, min_size=1, max_size=8), st.floats(1, 3000), waits, st.floats(0, 20))
def test_over_a_websocket(happenings: list[Happening], deadline_ms: float, retries: Retries, network_ms: float) -> None:
    world = World(happenings, deadline_ms, retries, network_ms)
    conversation = Conversation(Request(deadline_ms, {"label": "bag"}), None, world.terms)
    ended_by: ClientError | None = None
    try:
        while True:
            step = conversation.step
            outcome: Outcome | Heard = None
            if isinstance(step, Open):
                happening = world.begin()
                outcome, said = Broken("no connection") if happening.status == 0 else None, messages(happening)
            elif isinstance(step, Say):
                world.note(step.text)
            elif isinstance(step, Hear):
                world.clock.spend(happening.answer_ms / 1000)
                outcome = Heard(next(said))
            elif isinstance(step, Pause):
                world.pause(step)
            else:
                assert isinstance(step, Show)
            conversation.done(outcome)
    except StopIteration:
        assert conversation.answer is not None
        assert conversation.answer.client_ms == world.spent_ms
    except ClientError as error:
        ended_by = error
    world.check(ended_by)


def messages(happening: Happening) -> Iterator[str | bytes]:
    """What a server says on a socket, until the request has ended."""
    if happening.status != 200:
        yield json.dumps({"type": "error", "id": "1", "problem": problem(happening)})
        return
    facts = {"model": "m", "n": 1, "codes_total": 2, "seed": 7, "label": None, "deadline_ms": 1.0}
    yield json.dumps({"type": "accepted", "id": "1", **facts})
    yield json.dumps({"type": "completed", **json.loads(answer())})
    yield b""


@given(waits, st.integers(1, 9), st.none() | st.floats(0, 10), st.floats(0, 1e5), st.floats(0, 0.999))
def test_a_wait_leaves_what_must_be_left(
    retries: Retries, tried: int, retry_after_s: float | None, left_ms: float, chance: float
) -> None:
    wait_s = retries.wait_s(tried, retry_after_s, left_ms, chance)
    if wait_s is not None:
        assert tried <= retries.most
        assert left_ms - 1000 * wait_s >= retries.least_ms - 1e-6
        assert wait_s >= (retry_after_s or 0)
