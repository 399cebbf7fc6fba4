"""However the stream is cut, the messages come out whole and in order."""

from __future__ import annotations

import socket

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service import messages
from service.wire import Wire
from service.worker.channel import Channel

_OUTPUTS = st.builds(
    messages.Output,
    index=st.integers(0, 63),
    data=st.binary(max_size=200),
    codes=st.lists(st.integers(0, 127), max_size=16),
    stop_reason=st.sampled_from(["", "complete", "deadline"]),
    expected_quality=st.floats(0, 1),
)
_TIMINGS = st.builds(messages.Timing, *[st.floats(0, 1e6)] * 5)
_MESSAGES = st.one_of(
    st.builds(messages.Failed, id=st.text(max_size=20), message=st.text(max_size=300)),
    st.builds(messages.Result, id=st.text(max_size=20), outputs=st.lists(_OUTPUTS, max_size=3), timing=_TIMINGS),
)


@given(sent=st.lists(_MESSAGES, max_size=8), cuts=st.lists(st.integers(1, 400), min_size=1))
def test_any_cut_gives_the_same_messages(sent: list[messages.FromWorker], cuts: list[int]) -> None:
    wire = Wire[messages.FromWorker](messages.FromWorker)
    stream = b"".join(map(wire.pack, sent))
    received: list[messages.FromWorker] = []
    at = 0
    while at < len(stream):
        size = cuts[len(received) % len(cuts)]
        received += wire.unpack(stream[at : at + size])
        at += size
    assert received == sent


def _result(size: int) -> messages.Result:
    output = messages.Output(0, bytes(size), [1, 2], "complete", 1.0)
    return messages.Result(f"{size}", [output], messages.Timing(0, 0, 0, 0, 0))


def test_a_worker_cannot_be_asked_to_encode() -> None:
    """Whose loop has deadlines: that message is none of those that it reads."""
    asked = messages.Encode("a", "tiny@1#sha", b"file", "image/png", "crop", [1], 100, 10.0)
    with pytest.raises(msgspec.ValidationError, match="Invalid value 'Encode'"):
        list(
            Wire[messages.ToWorker](messages.ToWorker).unpack(Wire[messages.ToEncoder](messages.ToEncoder).pack(asked))
        )


def test_what_the_socket_does_not_take_is_kept_and_sent_later() -> None:
    ours, theirs = socket.socketpair()
    channel = Channel[messages.ToWorker](theirs, messages.ToWorker)
    sent = [_result(size) for size in (10, 3_000_000, 20, 500_000)]
    for message in sent:
        channel.send(message)  # nobody reads: it must not block
    wire = Wire[messages.FromWorker](messages.FromWorker)
    received: list[messages.FromWorker] = []
    with ours:
        ours.setblocking(False)
        while len(received) < len(sent):
            try:
                received += wire.unpack(ours.recv(1 << 16))
            except BlockingIOError:
                assert not channel.wait(1.0)
    assert received == sent
    assert channel.wait(1.0)
    assert list(channel.drain()) == []
    assert channel.closed
    channel.close()


@pytest.mark.parametrize("unread", [False, True])
def test_a_channel_whose_other_end_is_gone_says_so_and_takes_what_is_sent(unread: bool) -> None:
    ours, theirs = socket.socketpair()
    channel = Channel[messages.ToWorker](theirs, messages.ToWorker)
    if unread:
        channel.send(_result(5))
    ours.close()
    channel.send(_result(1))
    assert channel.wait(1.0)
    assert list(channel.drain()) == []
    assert channel.closed
    channel.send(_result(1))
    channel.close()
