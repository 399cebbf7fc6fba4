"""The command `anytime study`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from training.devices import Device, prepare_torch
from training.extras import require_extras
from training.state import ResumeError
from training.study.folder import StudyFolder
from training.study.options import StudyError, bundled_studies, load_study
from training.study.plan import Planned, select

if TYPE_CHECKING:
    from rich.table import Table

INTERRUPTED = 130  # exit status of a shell command ended by Ctrl-C


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(study)


def study(
    name: Annotated[str, typer.Argument(help=f"A study file, or one of: {', '.join(bundled_studies())}.")],
    data: Annotated[str, typer.Option(help="The data set, as for `anytime train`.")],
    out: Annotated[
        Path, typer.Option(file_okay=False, help="Folder of runs; studies that share it train once what they share.")
    ],
    seeds: Annotated[str | None, typer.Option(help="Which seeds, such as 0,1; by default the study's.")] = None,
    variants: Annotated[str | None, typer.Option(help="Which variants, such as a,b; by default all.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with runs that were begun and not finished.")] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Only say what there is to do.")] = False,
    cache: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="Where prepared data is kept; by default ~/.cache/anytime/data."),
    ] = None,
    device: Annotated[Device, typer.Option(help="Where to train; auto takes CUDA if it is there.")] = Device.AUTO,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads, by default one per core.")] = None,
    checkpoint_seconds: Annotated[
        float, typer.Option(min=0, help="The most seconds of training that an interruption can cost.")
    ] = 30.0,
) -> None:
    r"""Train every variant of a study with every seed, and evaluate all of them by the same classifier.

    A stage that two runs have in common, in this study or another one with the same --out, is trained once. What is
    finished stays finished: the same command goes on where it was. `anytime report` draws the comparison.

    Examples:
        anytime study ordering --data ~/data/fashion-mnist --out runs/studies \
            --plan

        anytime study ordering --data ~/data/fashion-mnist --out runs/studies \
            --threads 1

        anytime study ordering --data ~/data/fashion-mnist --out runs/studies \
            --seeds 0 --variants ordered --resume
    """
    require_extras()
    loaded, folder = load_study(name), StudyFolder(out)
    chosen = select(loaded, _names(variants), _seeds(seeds))
    torch_device = prepare_torch(device, threads)

    from rich.console import Console

    from training.data.progress import PreparationProgress
    from training.data.sources import open_source
    from training.progress import RunProgress
    from training.study.options import recipe_of
    from training.study.runner import StudyData, StudyRun

    console = Console()

    def say(line: str) -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    source = open_source(data, recipe_of(loaded, *chosen[0]).media.type)
    run = StudyRun(
        loaded,
        chosen,
        folder,
        StudyData(source, cache, PreparationProgress(console)),
        torch_device,
        say,
        lambda logs: RunProgress(logs, console),
        checkpoint_seconds,
    )
    planned = run.plan()
    console.print(_table(planned))
    say(_summary(planned))
    if plan:
        return
    _check_begun(folder, planned, resume)
    try:
        run.run()
    except KeyboardInterrupt:
        sys.stderr.write("anytime: interrupted; the same command with --resume goes on from the last checkpoint\n")
        raise typer.Exit(INTERRUPTED) from None


def _names(variants: str | None) -> list[str] | None:
    return None if variants is None else [name.strip() for name in variants.split(",")]


def _seeds(seeds: str | None) -> list[int] | None:
    if seeds is None:
        return None
    numbers = [number.strip() for number in seeds.split(",")]
    if not all(number.isdecimal() for number in numbers):
        raise StudyError(f"--seeds: {seeds!r} is not a list of whole numbers such as 0,1,2")
    return [int(number) for number in numbers]


def _check_begun(folder: StudyFolder, planned: list[Planned], resume: bool) -> None:
    begun = [part for part in planned if not part.complete and (part.done or folder.state(part.job.key)) and not resume]
    if begun:
        job = begun[0].job
        raise ResumeError(
            f"{folder.run(job.key)}: {job.variant} with seed {job.seed} was begun and not finished; "
            "go on with --resume, unless another process is training it"
        )


def _table(planned: list[Planned]) -> Table:
    from rich.table import Table

    table = Table(title="Plan", title_justify="left")
    for heading in ("variant", "seed", "run", "done", "shared", "to do"):
        table.add_column(heading)
    for part in planned:
        stages = (part.done, part.shared, part.to_do)
        job = part.job
        table.add_row(job.variant, str(job.seed), job.key, *(" ".join(names) for names in stages))
    return table


def _summary(planned: list[Planned]) -> str:
    done, shared, to_do = (
        sum(map(len, counts)) for counts in zip(*((p.done, p.shared, p.to_do) for p in planned), strict=True)
    )
    return f"{len(planned)} runs: {to_do} stages to do, {shared} shared with other runs, {done} done"
