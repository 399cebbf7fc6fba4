"""What the preparation of data shows: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

T = TypeVar("T")


class PreparationProgress:
    """Shows on a console what happens to the data before a run begins."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def say(self, line: str) -> None:
        """Print one line of plain text."""
        self._console.print(f"data: {line}", markup=False, highlight=False, soft_wrap=True)

    def track(self, files: Iterable[T], total: int) -> Iterator[T]:
        """Pass files on, and count them on a bar."""
        bar = Progress(
            TextColumn("data"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        with bar:
            yield from bar.track(files, total)


QUIET = PreparationProgress(Console(quiet=True))
