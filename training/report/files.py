"""The files of a report: written whole, and those of an earlier one that no longer belong to it removed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from training.files import CheckpointError, read_json, write_atomically, write_json
from training.report.collect import ReportError
from training.report.formats import Format
from training.report.page import page
from training.report.section import Section, numbers_of
from training.report.summary import FIGURES_FOLDER, MADE_BY, markdown, picture_files

PAGE, NUMBERS, SUMMARY = "index.html", "results.json", "README.md"


def write_report(out: Path, title: str, sections: Sequence[Section], kind: Format) -> list[Path]:
    """Write a report into a folder; returns the pages that there are to read.

    Raises:
        ReportError: if somebody else's README.md is there.
        CheckpointError: if something cannot be written.
    """
    pages = []
    pictures: dict[str, bytes] = {}
    if kind is not Format.HTML:
        _require_own(out / SUMMARY)
        pictures = picture_files(sections)
        for name in _earlier_pictures(out) - pictures.keys():
            (out / name).unlink(missing_ok=True)
        for name, png in pictures.items():
            write_atomically(out / name, png)
        write_atomically(out / SUMMARY, markdown(title, sections, NUMBERS).encode())
        pages.append(out / SUMMARY)
    if kind is not Format.MARKDOWN:
        write_atomically(out / PAGE, page(title, sections).encode())
        pages.append(out / PAGE)
    studies = [numbers_of(section) for section in sections]
    kept = sorted(pictures) if kind is not Format.HTML else sorted(_earlier_pictures(out))
    write_json(out / NUMBERS, {"title": title, "studies": studies, "pictures": kept})
    return pages


def _require_own(path: Path) -> None:
    if path.is_file() and not path.read_text(encoding="utf-8", errors="replace").startswith(MADE_BY):
        raise ReportError(f"{path}: was not made by this command, which would replace it; choose another --out")


def _earlier_pictures(out: Path) -> set[str]:
    """Pictures that the report which is there now has written."""
    if not (out / NUMBERS).is_file():
        return set()
    try:
        before = read_json(out / NUMBERS)
    except CheckpointError:
        return set()
    names = before.get("pictures", []) if isinstance(before, dict) else []
    # Nothing outside the folder of figures, whatever the file says.
    texts = [name for name in names if isinstance(name, str)]
    return {name for name in texts if Path(name).parent == Path(FIGURES_FOLDER) and Path(name).suffix == ".png"}
