"""What people have to say about results, such as the likely reason why a claim did not hold: a TOML file.

A remark is about one result. Where more runs have changed that, the remark is left out until somebody has looked again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from models.config import Frozen
from training.recipe import read_toml, sentence
from training.report.collect import ReportError
from training.report.section import Part, Section
from training.report.verdicts import Result


class Remark(Frozen):
    """One remark.

    Attributes:
        figure: its key, as in `training.report.needs`.
        section: the study or the baseline's recipe; none is any.
        result: for which it was written.
    """

    figure: str
    section: str = ""
    result: Result
    text: str


class Remarks(Frozen):
    """The contents of such a file."""

    remarks: tuple[Remark, ...] = ()


def load_remarks(path: Path) -> tuple[Remark, ...]:
    """Read a file of remarks.

    Raises:
        ReportError: naming the file, the field and what is wrong with it.
        RecipeError: if it is no TOML file.
    """
    try:
        return Remarks.model_validate(read_toml(path)).remarks
    except ValidationError as error:
        raise ReportError(f"{path}: {sentence(error, 'a file of remarks')}") from error


def with_remarks(sections: Sequence[Section], remarks: Sequence[Remark]) -> list[Section]:
    """Sections with the remarks that fit their results."""
    return [
        replace(section, parts=tuple(_with(section, part, remarks) for part in section.parts)) for section in sections
    ]


def outdated(sections: Sequence[Section], remarks: Sequence[Remark]) -> Iterator[Remark]:
    """Remarks on figures that are there, of which none has the result any more that they were written for."""
    for remark in remarks:
        parts = [part for section in sections for part in section.parts if _is_about(remark, section, part)]
        if parts and not any(_fits(remark, part) for part in parts):
            yield remark


def _with(section: Section, part: Part, remarks: Sequence[Remark]) -> Part:
    found = [remark.text for remark in remarks if _is_about(remark, section, part) and _fits(remark, part)]
    return replace(part, remark=" ".join(found))


def _is_about(remark: Remark, section: Section, part: Part) -> bool:
    return remark.figure == part.key and remark.section in {"", section.name}


def _fits(remark: Remark, part: Part) -> bool:
    return part.judgement is not None and part.judgement.result == remark.result
