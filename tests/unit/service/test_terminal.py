"""Pictures in a terminal, and an answer watched there, on a console that keeps what is written to it."""

from __future__ import annotations

import base64
import io
import re
import signal
import threading
from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import pytest
from manual_clock import ManualClock
from PIL import Image
from rich.console import Console

from models.errors import AnytimeError
from service.client.samples import Accepted, Answer, Output, Preview, Timing
from service.client.sync import Stream
from service.commands.terminal import Protocol, blocks, grid, iterm, kitty, protocol_of, show, small
from service.commands.watch import Watcher, preview_ms

HALF = "\u2580"
TIMING = Timing(1.0, 1.0, 1.0, 1.0, 4.0)


def console(width: int = 40, *, terminal: bool = True, term: str = "xterm") -> Console:
    variables = {"TERM": term, "COLORTERM": "truecolor"}
    return Console(file=io.StringIO(), force_terminal=terminal, width=width, _environ=variables, legacy_windows=False)


def written(to: Console) -> str:
    return cast("io.StringIO", to.file).getvalue()


def picture(width: int, height: int, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("variables", "found"),
    [
        ({}, Protocol.BLOCKS),
        ({"TERM": "xterm-256color"}, Protocol.BLOCKS),
        ({"TERM": "xterm-kitty"}, Protocol.KITTY),
        ({"KITTY_WINDOW_ID": "1"}, Protocol.KITTY),
        ({"TERM": "xterm-ghostty", "TERM_PROGRAM": "ghostty"}, Protocol.KITTY),
        ({"TERM_PROGRAM": "iTerm.app"}, Protocol.ITERM),
        ({"TERM_PROGRAM": "WezTerm"}, Protocol.ITERM),
        ({"LC_TERMINAL": "iTerm2"}, Protocol.ITERM),
        ({"TERM": "xterm-kitty", "TMUX": "/tmp/tmux"}, Protocol.BLOCKS),
        ({"LC_TERMINAL": "iTerm2", "STY": "1.screen"}, Protocol.BLOCKS),
    ],
)
def test_what_a_terminal_can_show(variables: dict[str, str], found: Protocol) -> None:
    assert protocol_of(console(), variables) is found
    assert protocol_of(console(terminal=False), variables) is Protocol.NONE
    assert protocol_of(console(term="dumb"), variables) is Protocol.NONE


def test_every_pixel_is_half_a_letter() -> None:
    image = picture(5, 3)
    to = console()
    to.print(blocks(image), end="")
    lines = written(to).splitlines()
    assert len(lines) == 2
    cells = re.findall(r"38;2;(\d+);(\d+);(\d+)(?:;48;2;(\d+);(\d+);(\d+))?m" + HALF, "".join(lines))
    assert len(cells) == 10
    for place, cell in enumerate(cells):
        column, row = place % 5, 2 * (place // 5)
        assert tuple(map(int, cell[:3])) == image.getpixel((column, row))
        if row + 1 < 3:
            assert tuple(map(int, cell[3:])) == image.getpixel((column, row + 1))
        else:
            assert cell[3:] == ("", "", "")


def test_pictures_side_by_side() -> None:
    pictures = [picture(8, 6, seed) for seed in range(5)]
    sheet = grid(pictures, 30)
    assert sheet.size == (28, 14)  # three, and two below them
    assert sheet.crop((10, 8, 18, 14)).tobytes() == pictures[4].tobytes()
    assert grid(pictures[:1], 4).size == (4, 3)
    assert grid(pictures, 8).size == (8, 38)


def test_kitty_gets_the_file_in_chunks() -> None:
    data = png(picture(70, 70))
    sequence = kitty(data)
    chunks = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", sequence)
    assert "".join(f"\x1b_G{head};{text}\x1b\\" for head, text in chunks) == sequence
    assert [head for head, _ in chunks] == ["a=T,f=100,q=2,m=1", *["m=1"] * (len(chunks) - 2), "m=0"]
    assert all(len(text) <= 4096 for _, text in chunks)
    assert base64.b64decode("".join(text for _, text in chunks)) == data
    assert kitty(png(picture(1, 1))).startswith("\x1b_Ga=T,f=100,q=2,m=0;")


def test_iterm_gets_the_file_whole() -> None:
    found = re.fullmatch(r"\x1b\]1337;File=inline=1;size=(\d+);preserveAspectRatio=1:([^\x07]*)\x07", iterm(b"file"))
    assert found is not None
    assert (int(found[1]), base64.b64decode(found[2])) == (4, b"file")


def test_each_terminal_is_shown_what_it_can_show() -> None:
    image = picture(4, 4)
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", lossless=True)
    shown = {}
    for protocol in Protocol:
        to = console()
        show(to, protocol, buffer.getvalue(), [image])
        shown[protocol] = written(to)
    assert shown[Protocol.NONE] == ""
    assert shown[Protocol.BLOCKS].count(HALF) == 8
    assert shown[Protocol.ITERM] == iterm(buffer.getvalue()) + "\n"
    sent = base64.b64decode(re.findall(r";([^\x1b;]*)\x1b", shown[Protocol.KITTY])[0])
    with Image.open(io.BytesIO(sent)) as found:
        assert (found.format, found.convert("RGB").tobytes()) == ("PNG", image.tobytes())


def test_a_picture_as_small_as_the_model_made_it() -> None:
    image = picture(5, 4)
    enlarged = image.resize((40, 32), Image.Resampling.NEAREST)
    assert small(png(enlarged), 8).tobytes() == image.tobytes()


class Scripted:
    """A stream that shows what it is given; None is somebody pressing Ctrl-C."""

    def __init__(self, *events: Preview | Answer | None, watcher: Watcher) -> None:
        self.accepted = Accepted("tiny", 1, 4, 7, None, 500.0)
        self.stops = 0
        self.seen: list[str] = []
        self._events = list(events)
        self._watcher = watcher
        self._stopped = threading.Event()

    def __iter__(self) -> Iterator[Preview | Answer]:
        return self

    def __next__(self) -> Preview | Answer:
        to = console()  # one of its own, for another thread writes to the watcher's
        to.print(self._watcher.picture())
        self.seen.append(written(to))
        if not self._events:
            raise StopIteration
        event = self._events.pop(0)
        if event is None:
            signal.raise_signal(signal.SIGINT)
            assert self._stopped.wait(10)
            return next(self)
        return event

    def stop(self) -> None:
        self.stops += 1
        self._stopped.set()


def output(codes: int, media_type: str = "image/png") -> Output:
    return Output(
        model="tiny",
        seed=7,
        codes=tuple(range(codes)),
        codes_total=4,
        expected_quality=codes / 4,
        scale=2,
        media_type=media_type,
        data=png(picture(8, 8)),
    )


def at(codes: int, **more: Any) -> Preview:
    return Preview(output=output(codes, **more), elapsed_ms=10.0 * codes)


def answer() -> Answer:
    return Answer(id="a", model="tiny", outputs=(output(4),), deadline_ms=500.0, timing=TIMING, client_ms=40.0)


def watched(
    *events: Preview | Answer | None, protocol: Protocol = Protocol.BLOCKS, terminal: bool = True
) -> tuple[Scripted, Answer | None, str]:
    """What a watcher makes of events: the stream, its answer, and all that was written."""
    to, clock = console(terminal=terminal), ManualClock()
    watcher = Watcher(to, protocol, clock.now)
    stream = Scripted(*events, watcher=watcher)
    try:
        found = watcher.watch(cast("Stream", stream))
    except KeyboardInterrupt:
        found = None
    return stream, found, written(to)


def test_codes_quality_time_and_the_picture_are_drawn() -> None:
    stream, found, _ = watched(at(1), at(3), answer())
    assert found == answer()
    assert HALF not in stream.seen[0]
    for seen, says in (
        (stream.seen[1], ("1/4 codes", "quality 0.250")),
        (stream.seen[2], ("3/4 codes", "quality 0.750")),
    ):
        assert seen.count(HALF) == 8  # 4 x 4 pixels
        assert all(each in seen for each in says)
        assert "500 ms left; Ctrl-C takes it as it is" in seen
    assert HALF not in watched(at(1), answer(), protocol=Protocol.NONE)[0].seen[1]
    assert HALF not in watched(at(1, media_type="audio/wav"), answer())[0].seen[1]


def test_what_was_drawn_on_the_way_is_gone_in_the_end() -> None:
    _, _, text = watched(at(1), answer())
    assert text.endswith("\x1b[?25h") or "\x1b[2K" in text  # the lines are erased, and the cursor is back


def test_ctrl_c_takes_it_as_it_is_and_a_second_one_leaves() -> None:
    stream, found, _ = watched(at(1), None, at(2), answer())
    assert (stream.stops, found) == (1, answer())
    assert "stopping" in stream.seen[-1]
    stream, found, _ = watched(at(1), None, None)
    assert (stream.stops, found) == (1, None)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_lines_where_there_is_no_terminal() -> None:
    _, found, text = watched(at(1), at(2), answer(), protocol=Protocol.NONE, terminal=False)
    assert found == answer()
    assert text.splitlines() == ["1/4 codes, quality 0.250, 10.0 ms", "2/4 codes, quality 0.500, 20.0 ms"]


def test_a_stream_that_ends_without_an_answer() -> None:
    with pytest.raises(AnytimeError, match="cancelled"):
        watched(at(1))


def test_previews_are_not_asked_for_more_often_than_can_be_seen() -> None:
    assert [preview_ms(each) for each in (10.0, None, 2000.0, 60_000.0)] == [5.0, 20.0, 40.0, 100.0]
