"""The table at the top of a report: every figure of the paper, and what became of its claim."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from training.report.figures.registry import FIGURES
from training.report.needs import ALL_FIGURES, label
from training.report.section import Part, Section

HEADINGS = ("figure", "what", "in", "at our scale")


class Line(NamedTuple):
    """One figure, or a part without a number; without a section it was not made."""

    name: str
    what: str
    section: Section | None
    part: Part | None

    @property
    def sentence(self) -> str:
        """What became of its claim."""
        return self.part.sentence if self.part else "No finished run."


def contents(sections: Sequence[Section]) -> list[Line]:
    """The paper's figures in its order, those that are not there too, unless none is; then what has no number."""
    parts = [(section, part) for section in sections for part in section.parts]
    lines = []
    if any(part.key for _, part in parts):
        for key in ALL_FIGURES:
            title = FIGURES[key].title
            found = [Line(label(key), title, *of) for of in parts if of[1].key == key]
            lines += found or [Line(label(key), title, None, None)]
    lines += [Line(part.title, "", section, part) for section, part in parts if not part.key]
    return lines
