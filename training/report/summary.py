"""The report as Markdown, with its plots beside it, to be kept with the source."""

from __future__ import annotations

from collections.abc import Sequence

from training.report.drawing import Table
from training.report.section import Part, Section

FIGURES_FOLDER = "figures"


def picture_files(sections: Sequence[Section]) -> dict[str, bytes]:
    """Every picture by the name of its file."""
    return {
        picture_file(section, part, picture.name): picture.png
        for section in sections
        for part in section.parts
        if part.drawn
        for picture in part.drawn.pictures
    }


def picture_file(section: Section, part: Part, picture: str) -> str:
    """Where a picture lies, relative to the report."""
    middle = f"{part.key}-" if part.key else ""
    return f"{FIGURES_FOLDER}/{section.name}-{middle}{picture}.png"


def markdown(title: str, sections: Sequence[Section]) -> str:
    """The whole text."""
    lines = [f"# {title}", ""]
    for section in sections:
        lines += [f"## {section.title}", "", *(f"- {name}: {value}" for name, value in section.facts), ""]
        for part in section.parts:
            lines += _part(section, part)
    return "\n".join(lines).rstrip() + "\n"


def _part(section: Section, part: Part) -> list[str]:
    lines = [f"### {f'Fig. {part.key}: ' if part.key else ''}{part.title}", ""]
    if part.claim:
        lines += [f"Claim: {part.claim}", ""]
    if part.drawn is None:
        return [*lines, f"Not drawn: {part.missing}.", ""]
    lines += [f"- {verdict.sentence}." for verdict in part.drawn.verdicts]
    lines.append("")
    for picture in part.drawn.pictures:
        lines += [f"![{picture.caption}]({picture_file(section, part, picture.name)})", ""]
    for table in part.drawn.tables:
        lines += [*_table(table), ""]
    for note in part.drawn.notes:
        lines += [note, ""]
    return lines


def _table(table: Table) -> list[str]:
    rule = ["---", *(["---:"] * (len(table.headings) - 1))]
    return [f"| {' | '.join(row)} |" for row in (table.headings, rule, *table.rows)]
