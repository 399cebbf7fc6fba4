"""The command `anytime report`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from training.devices import Device, prepare_torch
from training.extras import require_extras
from training.study.folder import StudyFolder
from training.study.options import StudyError

if TYPE_CHECKING:
    from training.report.section import Section

PAGE, NUMBERS, SUMMARY = "index.html", "results.json", "results.md"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(report)


def report(
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder for index.html, results.json and results.md.")],
    run: Annotated[list[Path] | None, typer.Argument(help="Folders of finished runs.", show_default=False)] = None,
    study: Annotated[
        list[str] | None, typer.Option(help="A study with runs in --runs; repeat the option, or leave it out for all.")
    ] = None,
    runs: Annotated[Path | None, typer.Option(file_okay=False, help="What was the --out of `anytime study`.")] = None,
    title: Annotated[str, typer.Option(help="The page's title.")] = "Results",
    threads: Annotated[int, typer.Option(min=1, help="CPU threads, where sampling is timed or drawn.")] = 1,
) -> None:
    """Turn finished runs into one page: plots, samples, players, tables, and whether each claim held.

    Of studies, every figure they are for, as means over seeds with 95% t-intervals, and a verdict from the differences
    paired by seed. Of single runs, their errors and distances side by side.

    Examples:
        anytime report --runs runs/studies --out report

        anytime report --study ordering --runs runs/studies --out report

        anytime report runs/mine runs/yours --out report
    """
    require_extras()
    if bool(run) == bool(runs) or (study and not runs):
        raise StudyError("anytime report needs either folders of runs, or --runs with the folder of studies")
    prepare_torch(Device.CPU, threads)

    from rich.console import Console

    sections = _of_folders(run) if run else _of_studies(runs or Path(), study)
    _write(out, title, sections)
    console = Console()
    for section in sections:
        for part in section.parts:
            name = f"Fig. {part.key}" if part.key else part.title
            console.print(f"{name}: {part.outcome or part.missing or 'drawn'}", markup=False, soft_wrap=True)
    console.print(f"Written to {out / PAGE}", markup=False, soft_wrap=True)


def _of_folders(run: list[Path]) -> list[Section]:
    from training.report.collect import runs_of_folders
    from training.report.overview import overview

    return [overview(runs_of_folders(run))]


def _of_studies(runs: Path, names: list[str] | None) -> list[Section]:
    from training.report.collect import runs_of_study
    from training.report.section import study_section

    folder = StudyFolder(runs)
    chosen = names or folder.studies()
    if not chosen:
        raise StudyError(f"{runs}: holds no studies")
    return [study_section(*runs_of_study(folder, name)) for name in chosen]


def _write(out: Path, title: str, sections: list[Section]) -> None:
    from training.files import write_atomically, write_json
    from training.report.page import page
    from training.report.section import numbers_of
    from training.report.summary import markdown, picture_files

    for name, png in picture_files(sections).items():
        write_atomically(out / name, png)
    write_json(out / NUMBERS, {"title": title, "studies": [numbers_of(section) for section in sections]})
    write_atomically(out / SUMMARY, markdown(title, sections).encode())
    write_atomically(out / PAGE, page(title, sections).encode())
