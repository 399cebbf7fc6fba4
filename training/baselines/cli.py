"""The command `anytime baseline`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from training.baselines.options import BaselineRecipe
from training.baselines.recipe import bundled_baselines, load_baseline
from training.cli import CACHE_HELP, DATA_HELP, INTERRUPTED
from training.devices import Device, prepare_torch
from training.extras import require_extras
from training.state import check_folder


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(baseline)


def baseline(
    recipe: Annotated[str, typer.Argument(help=f"A baseline's recipe, or one of: {', '.join(bundled_baselines())}.")],
    data: Annotated[str, typer.Option(help=DATA_HELP)],
    out: Annotated[Path, typer.Option(help="The run's folder; results end up in its subfolder `evaluation`.")],
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run that this folder holds.")] = False,
    cache: Annotated[Path | None, typer.Option(file_okay=False, help=CACHE_HELP)] = None,
    device: Annotated[Device, typer.Option(help="Where to train; auto takes CUDA if it is there.")] = Device.AUTO,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads; by default one per core.")] = None,
    checkpoint_seconds: Annotated[
        float, typer.Option(min=0, help="The most seconds of training that an interruption can cost.")
    ] = 30.0,
) -> None:
    r"""Train and measure what ordered codes are compared with: VAEs (`vae`), or a prior over PCA (`pca-prior`).

    Writes report.json and plots into OUT/evaluation. Nothing of it is served.

    Examples:
        anytime baseline fashion-mnist-vae --data ~/data/fashion-mnist \
            --out runs/vae

        anytime baseline fashion-mnist-pca-prior --data ~/data/fashion-mnist \
            --out runs/pca-prior --threads 1
    """
    require_extras()
    parsed = load_baseline(recipe)
    check_folder(out, resume)
    try:
        _run(parsed, data, out, cache, device, threads, checkpoint_seconds)
    except KeyboardInterrupt:
        sys.stderr.write(f"anytime: interrupted; the same command with --resume goes on from {out}'s last checkpoint\n")
        raise typer.Exit(INTERRUPTED) from None


def _run(
    recipe: BaselineRecipe,
    data: str,
    out: Path,
    cache: Path | None,
    device: Device,
    threads: int | None,
    checkpoint_seconds: float,
) -> None:
    torch_device = prepare_torch(device, threads)

    from rich.console import Console

    from training.baselines.console import show
    from training.baselines.pipeline import run
    from training.context import Run
    from training.data.dataset import prepare
    from training.data.progress import PreparationProgress
    from training.data.sources import open_source
    from training.progress import RunProgress

    console = Console()
    dataset = prepare(open_source(data, recipe.media.type), recipe, cache, PreparationProgress(console))
    report = run(Run(recipe, dataset, out, torch_device, RunProgress(out / "logs", console), checkpoint_seconds))
    show(console, report)
    console.print(f"Written to {out / 'evaluation'}", markup=False, soft_wrap=True)
