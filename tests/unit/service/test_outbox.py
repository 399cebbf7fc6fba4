"""What a slow reader finds when it looks again."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api.outbox import Outbox, Parcel


class Note(msgspec.Struct):
    text: str


def parcel(text: str) -> Parcel:
    return Parcel(Note(text))


async def drain(outbox: Outbox) -> list[str]:
    texts = []
    while len(outbox):
        event = (await outbox.take()).event
        assert isinstance(event, Note)
        texts.append(event.text)
    return texts


async def test_only_the_newest_preview_of_each_sample_waits() -> None:
    outbox = Outbox(8)
    for step in range(100):
        outbox.preview("a", 0, parcel(f"a0 {step}"))
        outbox.preview("a", 1, parcel(f"a1 {step}"))
        outbox.preview("b", 0, parcel(f"b0 {step}"))
    assert len(outbox) == 3
    assert await drain(outbox) == ["a0 99", "a1 99", "b0 99"]


async def test_replies_go_first_and_in_order() -> None:
    outbox = Outbox(8)
    outbox.preview("a", 0, parcel("preview"))
    outbox.reply(parcel("accepted"))
    outbox.reply(parcel("error"))
    assert await drain(outbox) == ["accepted", "error", "preview"]


async def test_dropped_previews_are_gone() -> None:
    outbox = Outbox(8)
    for name in "ab":
        for index in range(3):
            outbox.preview(name, index, parcel(f"{name}{index}"))
    outbox.drop_previews("a")
    assert await drain(outbox) == ["b0", "b1", "b2"]


async def test_take_waits_for_a_parcel() -> None:
    outbox = Outbox(8)
    taken = asyncio.create_task(outbox.take())
    await asyncio.sleep(0)
    assert not taken.done()
    outbox.reply(parcel("late"))
    assert (await taken).event == Note("late")


async def test_room_holds_back_at_the_limit() -> None:
    outbox = Outbox(2)
    outbox.reply(parcel("1"))
    await outbox.room()
    outbox.reply(parcel("2"))
    waiting = asyncio.create_task(outbox.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    await outbox.take()
    await waiting


@pytest.mark.parametrize("limit", [1, 4])
@given(
    data=st.lists(st.tuples(st.sampled_from(["reply", "preview", "drop", "take"]), st.sampled_from("abc")), max_size=40)
)
def test_no_reply_is_lost_and_no_preview_is_stale(limit: int, data: list[tuple[str, str]]) -> None:
    async def run() -> None:
        outbox = Outbox(limit)
        replies: list[str] = []
        newest: dict[str, str] = {}
        for step, (action, name) in enumerate(data):
            text = f"{action} {name} {step}"
            if action == "reply":
                outbox.reply(parcel(text))
                replies.append(text)
            elif action == "preview":
                outbox.preview(name, 0, parcel(text))
                newest[name] = text
            elif action == "drop":
                outbox.drop_previews(name)
                newest.pop(name, None)
            elif len(outbox):
                event = (await outbox.take()).event
                assert isinstance(event, Note)
                if replies:
                    assert event.text == replies.pop(0)
                else:
                    assert newest.pop(event.text.split()[1]) == event.text
        assert sorted(await drain(outbox)) == sorted([*replies, *newest.values()])

    asyncio.run(run())
