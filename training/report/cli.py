"""The command `anytime report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from training.devices import Device, prepare_torch
from training.extras import require_extras
from training.report.formats import Format
from training.study.options import StudyError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(report)


def report(
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder for the report's files.")],
    run: Annotated[
        list[Path] | None, typer.Argument(help="Folders of finished runs, also of baselines.", show_default=False)
    ] = None,
    study: Annotated[
        list[str] | None, typer.Option(help="A study with runs in --runs; repeat the option, or leave it out for all.")
    ] = None,
    runs: Annotated[
        list[Path] | None,
        typer.Option(file_okay=False, help="What was the --out of `anytime study`; may be repeated."),
    ] = None,
    title: Annotated[str, typer.Option(help="The page's title.")] = "Results",
    threads: Annotated[int, typer.Option(min=1, help="CPU threads, where sampling is timed or drawn.")] = 1,
    format_: Annotated[
        Format, typer.Option("--format", help="One page of HTML; or README.md and figures, to be kept with a project.")
    ] = Format.BOTH,
    remarks: Annotated[
        Path | None, typer.Option(dir_okay=False, help="A TOML file with what there is to say about results.")
    ] = None,
    keep: Annotated[
        Path | None,
        typer.Option(
            file_okay=False,
            help="Folder for what the studies' figures are drawn from, without weights: --runs of later reports.",
        ),
    ] = None,
) -> None:
    r"""Turn finished runs into one page: plots, samples, players, tables, and whether each claim held.

    Of studies, every figure they are for, as means over seeds with 95% t-intervals, and a verdict from the differences
    paired by seed; likewise of baselines. Of single runs, their errors and distances side by side. Of all, how many
    samples a second each stage was trained with. Files of an earlier report in the same folder are replaced.

    Examples:
        anytime report --runs runs/studies --out report

        anytime report --study ordering --runs runs/studies --out report

        anytime report runs/vae runs/pca-prior --runs runs/studies \
            --out docs/results --format markdown

        anytime report runs/mine --out report

        anytime report --runs runs/studies --out docs/results \
            --keep docs/results/runs
    """
    require_extras()
    if not (run or runs) or (study and not runs):
        raise StudyError("anytime report needs folders of runs, or --runs with the folder of studies")
    prepare_torch(Device.CPU, threads)

    from rich.console import Console

    from training.report.files import write_report
    from training.report.kept import keep_studies
    from training.report.remarks import load_remarks, outdated, with_remarks
    from training.report.sections import all_sections

    console = Console()

    def say(line: str) -> None:
        console.print(line, markup=False, soft_wrap=True)

    said = load_remarks(remarks) if remarks else ()
    sections = with_remarks(all_sections(runs or [], study or [], run or []), said)
    for section in sections:
        for part in section.parts:
            say(f"{part.heading}: {part.sentence}")
    for remark in outdated(sections, said):
        say(f"Left out: the remark on figure {remark.figure} was written for the result {remark.result!r}")
    if keep:
        say(f"Kept {keep_studies(runs or [], study or [], keep)} runs in {keep}")
    for page in write_report(out, title, sections, format_):
        say(f"Written to {page}")
