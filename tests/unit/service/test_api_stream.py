"""The websocket, over a real socket and a pool without workers."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from fake_pool import FakePool, output, result
from live_server import until
from malformed import LONGEST, MALFORMED
from socket_client import event, open_socket, outcomes, preview, send
from websockets.asyncio.client import ClientConnection, connect

from service import messages
from service.errors import DeadlineInfeasible, WorkerLost
from service.metrics import Metrics
from service.settings import Settings

TYPE = "urn:anytime:problem:"


@pytest.fixture
def settings() -> Settings:
    return Settings(max_socket_requests=4, max_body_bytes=LONGEST)


@pytest.fixture
async def ws(address: str) -> AsyncIterator[ClientConnection]:
    async with open_socket(address) as each:
        yield each


async def test_accepted_previews_completed(ws: ClientConnection, pool: FakePool, metrics: Metrics) -> None:
    pool.keep()
    await send(ws, type="generate", id="a", label="bag", seed=7, deadline_ms=80, preview_ms=20)
    assert await event(ws) == {
        "type": "accepted",
        "id": "a",
        "model": "tiny",
        "version": "1",
        "n": 1,
        "codes_total": 4,
        "seed": 7,
        "label": "Bag",
        "deadline_ms": 80,
    }
    ticket = pool.tickets[0]
    assert ticket.generation.preview_ms == 20
    assert ticket.deadline == pytest.approx(pool.clock.now() + 0.08)
    ticket.tell(preview(ticket, 2))
    first = await event(ws)
    assert (first["type"], first["id"]) == ("preview", "a")
    assert first["output"]["codes"] == [0, 1]
    assert "stop_reason" not in first["output"]
    ticket.tell(result(ticket, 3, "deadline"))
    last = await event(ws)
    assert (last["type"], last["id"], last["model"], last["deadline_ms"]) == ("completed", "a", "tiny", 80)
    assert last["outputs"][0] == {
        "index": 0,
        "media_type": "image/png",
        "codes": [0, 1, 2],
        "codes_total": 4,
        "expected_quality": 0.9,
        "seed": 7,
        "label": "Bag",
        "b64": "iVBORw0KGgotbm90LXJlYWxseQ==",
        "stop_reason": "deadline",
    }
    assert last["timing"]["queue_ms"] == 0.5
    await until(lambda: ticket.delivered)
    assert outcomes(metrics) == {"deadline": 1}
    assert b'anytime_first_preview_seconds_count{model="tiny"} 1.0' in metrics.exposition()


async def test_binary_media_follow_their_event(ws: ClientConnection, pool: FakePool) -> None:
    pool.keep()
    await send(ws, type="generate", id="a", n=2, binary=True)
    assert (await event(ws))["type"] == "accepted"
    ticket = pool.tickets[0]
    ticket.tell(preview(ticket, 2, index=1, data=b"early"))
    header = await event(ws)
    assert (header["output"]["index"], header["output"]["bytes"]) == (1, 5)
    assert "b64" not in header["output"]
    assert await ws.recv() == b"early"
    outputs = [output(0, 4, "complete", b"first"), output(1, 4, "complete", b"second!")]
    ticket.tell(messages.Result(ticket.id, outputs, messages.Timing(0, 0, 0, 0, 0)))
    header = await event(ws)
    assert [each["bytes"] for each in header["outputs"]] == [5, 7]
    assert await ws.recv() == b"firstsecond!"


async def test_several_requests_share_a_socket(ws: ClientConnection, pool: FakePool) -> None:
    pool.keep()
    for name in "abc":
        await send(ws, type="generate", id=name)
        assert (await event(ws))["id"] == name
    for name, ticket in reversed(list(zip("abc", pool.tickets, strict=True))):
        ticket.tell(result(ticket))
        ending = await event(ws)
        assert (ending["type"], ending["id"]) == ("completed", name)


async def test_a_later_deadline_is_passed_on_and_clamped(ws: ClientConnection, pool: FakePool) -> None:
    pool.keep()
    await send(ws, type="generate", id="a", deadline_ms=50)
    received = pool.clock.now()
    assert (await event(ws))["type"] == "accepted"
    (ticket,) = pool.tickets
    for later_ms, deadline_ms in ((40, 50), (90, 90), (60, 90), (1e9, 60_000)):
        await send(ws, type="extend", id="a", deadline_ms=later_ms)
        await send(ws, type="stop", id="none")  # and wait until all that was sent has been read
        await send(ws, type="nonsense")
        assert (await event(ws))["type"] == "error"
        assert ticket.deadline == pytest.approx(received + deadline_ms / 1000)
    ticket.tell(result(ticket))
    completed = await event(ws)
    assert (completed["type"], completed["deadline_ms"]) == ("completed", 60_000)


async def test_stop_answers_now(ws: ClientConnection, pool: FakePool, metrics: Metrics) -> None:
    pool.keep()
    await send(ws, type="generate", id="a")
    await send(ws, type="stop", id="a")
    assert (await event(ws))["type"] == "accepted"
    ending = await event(ws)
    assert (ending["type"], ending["outputs"][0]["stop_reason"]) == ("completed", "client_stop")
    await until(lambda: outcomes(metrics) == {"client_stop": 1})


async def test_cancel_ends_with_an_error(ws: ClientConnection, pool: FakePool, metrics: Metrics) -> None:
    pool.keep()
    await send(ws, type="generate", id="a")
    await send(ws, type="cancel", id="a")
    assert (await event(ws))["type"] == "accepted"
    ending = await event(ws)
    assert (ending["type"], ending["id"]) == ("error", "a")
    assert (ending["problem"]["type"], ending["problem"]["status"]) == (TYPE + "cancelled", 499)
    assert pool.tickets[0].cancelled
    pool.tickets[0].tell(result(pool.tickets[0]))  # too late: nobody listens
    await send(ws, type="generate", id="a")  # and the id is free again
    assert (await event(ws))["type"] == "accepted"
    assert outcomes(metrics) == {"client_closed": 1}


async def test_stop_and_cancel_of_what_has_ended_do_nothing(ws: ClientConnection) -> None:
    await send(ws, type="generate", id="a")
    assert [(await event(ws))["type"] for _ in range(2)] == ["accepted", "completed"]
    await send(ws, type="extend", id="a", deadline_ms=100)
    await send(ws, type="stop", id="a")
    await send(ws, type="cancel", id="a")
    await send(ws, type="cancel", id="never-was")
    await send(ws, type="generate", id="b")
    assert (await event(ws))["id"] == "b"


@pytest.mark.parametrize(("text", "status", "name"), MALFORMED)
async def test_bad_messages_leave_the_socket_open(
    ws: ClientConnection, metrics: Metrics, text: str, status: int, name: str | None
) -> None:
    await ws.send(text)
    error = await event(ws)
    assert (error["type"], error["id"], error["problem"]["status"]) == ("error", name, status)
    await send(ws, type="generate", id="fine")
    assert [(await event(ws))["type"] for _ in range(2)] == ["accepted", "completed"]
    await until(lambda: outcomes(metrics) == {"invalid": 1, "complete": 1})


async def test_fields_of_bad_messages_are_named(ws: ClientConnection) -> None:
    await send(ws, type="generate", id="a", n=0, wish=1)
    error = await event(ws)
    assert [each["field"] for each in error["problem"]["errors"]] == ["n", "wish"]


async def test_binary_messages_are_refused(ws: ClientConnection) -> None:
    await ws.send(b"\x00\xff")
    assert (await event(ws))["problem"]["type"] == TYPE + "malformed-request"


async def test_an_id_in_progress_is_not_taken_again(ws: ClientConnection, pool: FakePool) -> None:
    pool.keep()
    await send(ws, type="generate", id="a")
    assert (await event(ws))["type"] == "accepted"
    await send(ws, type="generate", id="a")
    error = await event(ws)
    assert (error["type"], error["id"], error["problem"]["errors"][0]["field"]) == ("error", None, "id")
    pool.tickets[0].tell(result(pool.tickets[0]))
    assert (await event(ws))["type"] == "completed"


async def test_requests_in_progress_are_limited(ws: ClientConnection, pool: FakePool) -> None:
    pool.keep()
    for number in range(5):
        await send(ws, type="generate", id=str(number))
    events = [await event(ws) for _ in range(5)]
    assert [each["type"] for each in events] == ["accepted"] * 4 + ["error"]
    assert (events[4]["id"], events[4]["problem"]["type"]) == ("4", TYPE + "overloaded")
    assert events[4]["problem"]["retry_after_s"] == 1


async def test_refused_and_failed_requests(ws: ClientConnection, pool: FakePool, metrics: Metrics) -> None:
    pool.refuse_with(DeadlineInfeasible("Too short.", 3.25))
    await send(ws, type="generate", id="a", deadline_ms=1)
    error = await event(ws)
    assert (error["id"], error["problem"]["minimum_deadline_ms"]) == ("a", 3.25)
    pool.on_submit = lambda ticket: ticket.tell(WorkerLost("The worker died."))
    await send(ws, type="generate", id="b")
    assert [(await event(ws))["type"] for _ in range(2)] == ["accepted", "error"]
    pool.on_submit = lambda ticket: ticket.tell(RuntimeError("secret"))
    await send(ws, type="generate", id="c")
    assert (await event(ws))["type"] == "accepted"
    error = await event(ws)
    assert (error["problem"]["status"], "secret" in str(error)) == (500, False)
    await until(lambda: outcomes(metrics) == {"infeasible": 1, "unavailable": 1, "failed": 1})


async def test_handshake_elsewhere_is_refused(address: str) -> None:
    with pytest.raises(Exception, match="HTTP 403"):
        async with connect(f"ws://{address}/v1/nothing", proxy=None):
            pass
