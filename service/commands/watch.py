"""`anytime generate --watch`: an answer that gets better while one looks on."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator

from rich.bar import Bar
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from models.errors import AnytimeError
from service.client.samples import Answer, Output, Preview
from service.client.sync import Stream
from service.commands.terminal import Protocol, blocks, grid, small

_FRAMES_PER_SECOND = 20
_BAR = 32  # columns


def preview_ms(deadline_ms: float | None) -> float:
    """How often to be shown something: some fifty times, since every preview takes time from the codes."""
    return min(100.0, max(5.0, (deadline_ms or 1000.0) / 50))


class Watcher:
    """What there is to see of a stream: the pictures as they stand, codes, quality and the time that is left.

    Args:
        now: seconds on any clock that goes on while somebody watches.
    """

    def __init__(self, console: Console, protocol: Protocol, now: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._protocol = protocol
        self._now = now
        self._started = now()
        self._deadline_ms: float | None = None
        self._latest: dict[int, Output] = {}
        self._stopping = False

    def watch(self, stream: Stream) -> Answer:
        """Follow a stream to its answer; on Ctrl-C it is asked to stop, and on a second one left.

        Raises:
            ClientError: there is no answer.
        """
        self._started = self._now()
        with self._stopping_on_ctrl_c(stream):
            if not self._console.is_terminal:
                return self._follow(stream, self._say)
            with Live(
                console=self._console,
                get_renderable=self.picture,
                refresh_per_second=_FRAMES_PER_SECOND,
                transient=True,
            ):
                return self._follow(stream, self._take)

    @contextlib.contextmanager
    def _stopping_on_ctrl_c(self, stream: Stream) -> Iterator[None]:
        """Meanwhile the first Ctrl-C is no exception, which could break off anything, but asks the stream to stop."""
        if threading.current_thread() is not threading.main_thread():  # which alone hears of signals
            yield
            return

        def interrupted(_number: int, _frame: object) -> None:
            if self._stopping:
                raise KeyboardInterrupt
            self._stopping = True
            # By a thread, since this one may hold the lock that it takes to send.
            threading.Thread(target=stream.stop, daemon=True).start()

        before = signal.signal(signal.SIGINT, interrupted)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _follow(self, stream: Stream, each: Callable[[Preview], None]) -> Answer:
        for event in stream:
            if isinstance(event, Answer):
                return event
            if stream.accepted is not None:
                self._deadline_ms = stream.accepted.deadline_ms
            each(event)
        raise AnytimeError("the request was cancelled")

    def _take(self, preview: Preview) -> None:
        self._latest[preview.output.index] = preview.output

    def _say(self, preview: Preview) -> None:
        """For a file or a pipe: a line for every preview."""
        output = preview.output
        which = f"sample {output.index}: " if output.index else ""
        quality = f"quality {output.expected_quality:.3f}"
        line = f"{which}{len(output.codes)}/{output.codes_total} codes, {quality}, {preview.elapsed_ms:.1f} ms"
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def picture(self) -> RenderableType:
        """What the terminal shows now."""
        facts = Table.grid(padding=(0, 2))
        for output in self._latest.values():
            facts.add_row(
                Bar(output.codes_total, 0, len(output.codes), width=_BAR),
                f"{len(output.codes)}/{output.codes_total} codes",
                f"quality {output.expected_quality:.3f}",
            )
        parts: list[RenderableType] = [facts, Text(self._time_left())]
        if self._protocol is not Protocol.NONE:
            pictures = [small(each.data, each.scale) for each in self._latest.values() if _is_picture(each)]
            if pictures:
                parts.insert(0, blocks(grid(pictures, self._console.width)))
        return Group(*parts)

    def _time_left(self) -> str:
        spent_ms = (self._now() - self._started) * 1000
        if self._stopping:
            return "stopping"
        if self._deadline_ms is None:
            return f"{spent_ms:.0f} ms"
        return f"{max(0.0, self._deadline_ms - spent_ms):.0f} ms left; Ctrl-C takes it as it is"


def _is_picture(output: Output) -> bool:
    return output.media_type.startswith("image/")
