"""What a run shows: progress bars on a terminal, plain lines elsewhere, and TensorBoard logs beside both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from torch.utils.tensorboard.writer import SummaryWriter

RATE_WINDOW = 2.0  # seconds over which the shown speed is measured


class RunProgress:
    """Shows a run on a console and logs each of its stages to `logs/STAGE`, or nowhere if `logs` is None."""

    def __init__(self, logs: Path | None, console: Console) -> None:
        self._logs = logs
        self._console = console

    def say(self, line: str) -> None:
        """Print one line of plain text."""
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    @contextmanager
    def stage(self, name: str, total: int, done: int = 0, unit: str = "items") -> Iterator[StageProgress]:
        """Show one stage of `total` steps, of which `done` were done by an earlier, interrupted run.

        What an interrupted run logged after step `done` is purged, so that no step appears twice.
        """
        writer = SummaryWriter(str(self._logs / name), purge_step=done + 1) if self._logs else None
        bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[facts]}"),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        try:
            with bar:
                task = bar.add_task(name, total=total, completed=done, facts="")
                yield StageProgress(name, self, bar, task, writer, unit)
        finally:
            if writer:
                writer.close()


class StageProgress:
    """One stage in progress. Steps are counted from 1 over the whole stage."""

    def __init__(
        self, name: str, run: RunProgress, bar: Progress, task: TaskID, writer: SummaryWriter | None, unit: str
    ) -> None:
        self.name = name
        self._run = run
        self._bar = bar
        self._task = task
        self._writer = writer
        self._unit = unit
        self._facts: dict[str, str] = {}
        self._items = 0
        self._since = monotonic()

    def advance(self, steps: int = 1, items: int = 0) -> None:
        """Move the bar; `items` (codes, images) are counted into the shown speed."""
        self._items += items
        elapsed = monotonic() - self._since
        if elapsed >= RATE_WINDOW and self._items:
            self._facts["speed"] = f"{self._items / elapsed:,.0f} {self._unit}/s"
            self._items, self._since = 0, monotonic()
        self._bar.update(self._task, advance=steps, facts="  ".join(self._facts.values()))

    def describe(self, description: str) -> None:
        """Say beside the bar what the stage is doing now."""
        self._bar.update(self._task, description=f"{self.name}: {description}")

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Log numbers, and show them beside the bar."""
        for tag, value in values.items():
            if self._writer:
                self._writer.add_scalar(tag, value, step)
            self._facts[tag] = f"{tag.rpartition('/')[2]} {value:.4g}"

    def image(self, tag: str, image: NDArray[np.uint8], step: int) -> None:
        """Log a picture, (C, H, W)."""
        if self._writer:
            self._writer.add_image(tag, image, step)

    def say(self, line: str) -> None:
        """Print one line that stays on the screen."""
        self._run.say(f"{self.name}: {line}")


def tile(images: NDArray[np.float32], columns: int) -> NDArray[np.uint8]:
    """Lay images (N, C, H, W) in [0, 1] out in rows of `columns`, the last row filled up with black: (C, H', W')."""
    count, channels, height, width = images.shape
    rows = -(-count // columns)
    sheet = np.zeros((rows * columns, channels, height, width), dtype=np.uint8)
    sheet[:count] = np.rint(np.clip(images, 0, 1) * 255).astype(np.uint8)
    grid = sheet.reshape(rows, columns, channels, height, width).transpose(2, 0, 3, 1, 4)
    return grid.reshape(channels, rows * height, columns * width)
