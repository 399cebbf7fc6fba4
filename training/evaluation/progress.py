"""What an evaluation tells whoever watches it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """A bar of steps with a line beside it."""

    def describe(self, description: str) -> None:
        """Say what is being done now."""

    def advance(self, steps: int = 1) -> None:
        """Some steps are done."""

    def say(self, line: str) -> None:
        """Leave a line on the screen."""
