"""The report as one HTML file that needs nothing else: pictures and sounds are inside it, and no script."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape
from itertools import groupby
from pathlib import Path

from training.report.collect import Finished, Runs
from training.report.contents import HEADINGS, contents
from training.report.drawing import Sound, Table
from training.report.section import Part, Section
from training.report.verdicts import Outcome

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
h1 { font-size: 1.7rem; } h2 { margin-top: 3rem; border-top: 1px solid #ccc; padding-top: 1rem; }
table { border-collapse: collapse; margin: 1rem 0; font-size: 0.85rem; font-variant-numeric: tabular-nums; }
td, th { padding: 0.2rem 0.7rem; border-bottom: 1px solid #ddd; text-align: right; }
td:first-child, th:first-child, .words td, .words th { text-align: left; vertical-align: top; }
audio { width: 9rem; }
figure { margin: 1rem 0; } img { max-width: 100%; } figcaption { font-size: 0.85rem; color: #555; }
dl { display: grid; grid-template-columns: max-content auto; gap: 0.1rem 1rem; font-size: 0.85rem; }
dt { font-weight: 600; } dd { margin: 0; } .scroll { overflow-x: auto; }
.verdict { padding: 0.4rem 0.8rem; border-left: 5px solid #999; background: #f6f6f6; }
.holds { border-color: #2e8b57; } .average { border-color: #c9a227; } .not { border-color: #b0413e; }
"""
# What one seed says stays grey.
CLASSES: dict[Outcome, str] = {
    "holds": "holds",
    "holds on average, not beyond noise": "average",
    "holds for one seed": "once",
    "does not hold": "not",
    "does not hold for one seed": "once",
}


def page(title: str, sections: Sequence[Section]) -> str:
    """The whole page."""
    body = "\n".join(_section(section) for section in sections)
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{escape(title)}</h1>\n"
        f"{_contents(sections)}\n{body}\n</body>\n</html>\n"
    )


def _contents(sections: Sequence[Section]) -> str:
    rows = [
        (line.name, line.what, line.section.title if line.section else "", line.sentence) for line in contents(sections)
    ]
    return _table(Table(headings=HEADINGS, rows=tuple(rows)), 'class="words"')


def _section(section: Section) -> str:
    facts = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in section.facts)
    parts = "\n".join(_part(part) for part in section.parts)
    return f"<h2>{escape(section.title)}</h2>\n<dl>{facts}</dl>\n{parts}\n{_samples(section.runs)}"


def _part(part: Part) -> str:
    lines = [f"<h3>{escape(part.heading)}</h3>"]
    if part.claimed:
        lines.append(f"<p>{escape(part.claimed)}</p>")
    if part.drawn is None:
        return "\n".join([*lines, f"<p>{escape(part.sentence)}</p>"])
    if part.judgement:
        lines.append(f"<p><strong>{escape(part.judgement.sentence)}</strong> {escape(part.remark)}</p>")
    lines += [
        f'<p class="verdict {CLASSES[verdict.outcome]}">{escape(verdict.sentence)}.</p>'
        for verdict in part.drawn.verdicts
    ]
    lines += [_picture(picture.png, picture.caption) for picture in part.drawn.pictures]
    lines += _sounds(part.drawn.sounds)
    lines += [_table(table) for table in part.drawn.tables]
    lines += [f"<p>{escape(note)}</p>" for note in part.drawn.notes]
    return "\n".join(lines)


def _sounds(sounds: Sequence[Sound]) -> Iterable[str]:
    """A row of players for each thing that there are clips of."""
    for of, clips in groupby(sounds, key=lambda sound: sound.of):
        players = "".join(f"<td>{escape(clip.name)}<br>{_player(clip.content, clip.media_type)}</td>" for clip in clips)
        yield f'<div class="scroll"><table><tr><th>{escape(of)}</th>{players}</tr></table></div>'


def _table(table: Table, attributes: str = "") -> str:
    head = "".join(f"<th>{escape(heading)}</th>" for heading in table.headings)
    rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in table.rows)
    return f'<div class="scroll"><table {attributes}><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _picture(png: bytes, caption: str) -> str:
    return (
        f'<figure><img alt="{escape(caption)}" src="{_inline(png, "image/png")}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _samples(runs: Runs | None) -> str:
    """Samples of each variant's first seed, to look at or to listen to."""
    if runs is None:
        return ""
    found = [(runs.titles[name], runs.first(name)) for name in runs.variants]
    blocks = [f"<h4>{escape(title)}</h4>{''.join(_media(run))}" for title, run in found]
    return f"<details><summary>Samples of each variant</summary>{''.join(blocks)}</details>"


def _media(run: Finished) -> Iterable[str]:
    for path in sorted(run.pictures.glob("samples*.png")):
        yield _picture(path.read_bytes(), f"{path.stem}, seed {run.recipe.seed}")
    for path in sorted(run.pictures.rglob("*.wav")):
        yield (
            f"<figure>{_player(path.read_bytes(), 'audio/wav')}"
            f"<figcaption>{escape(_name(path, run.pictures))}</figcaption></figure>"
        )


def _name(path: Path, folder: Path) -> str:
    return str(path.relative_to(folder).with_suffix(""))


def _player(content: bytes, kind: str) -> str:
    return f'<audio controls preload="none" src="{_inline(content, kind)}"></audio>'


def _inline(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
