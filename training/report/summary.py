"""The report as Markdown, with its plots beside it, to be kept with the source."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from training.report.contents import HEADINGS, contents
from training.report.drawing import Table
from training.report.section import Part, Section

FIGURES_FOLDER = "figures"
MADE_BY = "<!-- Made by `anytime report`, which replaces this file. -->"


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


def markdown(title: str, sections: Sequence[Section], numbers: str) -> str:
    """The whole text; `numbers` is the file that has them as JSON."""
    about = (
        f"Every number here was measured on finished runs, and is in [{numbers}]({numbers}) as well. Plots and tables "
        "show means over seeds, with 95% t-intervals where there is more than one. What one seed says may be chance: "
        "no interval is known."
    )
    lines = [MADE_BY, "", f"# {title}", "", about, "", *_contents(sections), ""]
    for section in sections:
        lines += [f"## {section.title}", "", *(f"- {name}: {value}" for name, value in section.facts), ""]
        for part in section.parts:
            lines += _part(section, part)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip() + "\n"


def _contents(sections: Sequence[Section]) -> list[str]:
    anchors = {id(part): anchor for part, anchor in _anchors(sections)}
    rows = []
    for line in contents(sections):
        name = f"[{line.name}](#{anchors[id(line.part)]})" if line.part else line.name
        rows.append((name, line.what, line.section.title if line.section else "", line.sentence))
    return _table(Table(headings=HEADINGS, rows=tuple(rows)), left=True)


def _anchors(sections: Sequence[Section]) -> Iterator[tuple[Part, str]]:
    """What Markdown's renderers call each part's heading: words and hyphens, numbered from the second of a name on."""
    met: dict[str, int] = {}
    for section in sections:
        for heading, part in ((section.title, None), *((part.heading, part) for part in section.parts)):
            name = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
            count = met[name] = met.get(name, -1) + 1
            if part:
                yield part, f"{name}-{count}" if count else name


def _part(section: Section, part: Part) -> list[str]:
    lines = [f"### {part.heading}", ""]
    if part.claimed:
        lines += [part.claimed, ""]
    if part.drawn is None:
        return [*lines, part.sentence, ""]
    if part.judgement:
        lines += [f"**{part.judgement.sentence}** {part.remark}".rstrip(), ""]
    lines += [f"- {verdict.sentence}." for verdict in part.drawn.verdicts]
    lines.append("")
    for picture in part.drawn.pictures:
        lines += [f"![{picture.caption}]({picture_file(section, part, picture.name)})", "", f"*{picture.caption}.*", ""]
    for table in part.drawn.tables:
        lines += [*_table(table), ""]
    for note in part.drawn.notes:
        lines += [note, ""]
    return lines


def _table(table: Table, *, left: bool = False) -> list[str]:
    rule = ["---", *(["---" if left else "---:"] * (len(table.headings) - 1))]
    return [f"| {' | '.join(row)} |" for row in (table.headings, rule, *table.rows)]
