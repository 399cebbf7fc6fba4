"""What a report can be written as. Imports no torch."""

from __future__ import annotations

from enum import StrEnum


class Format(StrEnum):
    """What a report is written as, beside its numbers."""

    HTML = "html"
    MARKDOWN = "markdown"
    BOTH = "both"
