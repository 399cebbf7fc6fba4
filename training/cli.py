"""The commands `anytime recipe`, `train` and `bundle random`; others join them from packages of their own."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from models.cli import bundle
from training.devices import Device, prepare_torch
from training.extras import require_extras
from training.hierarchical.recipe import HierarchicalRecipe
from training.options import AutoencoderKind
from training.processes import ALONE, Processes, joined
from training.recipe import AnyRecipe, Recipe, bundled_recipes, load_any_recipe, parse_recipe
from training.state import check_folder

if TYPE_CHECKING:
    import torch

INTERRUPTED = 130  # exit status of a shell command ended by Ctrl-C
DATA_HELP = (
    "The data set: a folder of images or audio files, one with MNIST's, CIFAR's, CelebA's or VCTK's files, "
    "or hf:NAME for one of Hugging Face."
)
CACHE_HELP = "Where prepared data is kept; by default ~/.cache/anytime/data."


def register(app: typer.Typer) -> None:
    """Add the training commands."""
    from training.baselines.cli import register as register_baseline
    from training.compare.cli import register as register_compare
    from training.evaluation.cli import register as register_evaluate
    from training.hierarchical.cli import register as register_hierarchy
    from training.report.cli import register as register_report
    from training.study.cli import register as register_study

    app.command("recipe")(new_recipe)
    app.command()(train)
    bundle.command("random")(random_bundle)
    register_evaluate(app)
    register_study(app)
    register_report(app)
    register_baseline(app)
    register_compare(app)
    register_hierarchy()


def new_recipe(
    data: Annotated[str, typer.Option(help="A folder of image files, with one subfolder per class or none.")],
    size: Annotated[int, typer.Option(help="Height and width of the pictures that the model is to make.")] = 32,
    name: Annotated[str | None, typer.Option(help="What to call the model; by default like the folder.")] = None,
    kind: Annotated[
        AutoencoderKind, typer.Option(help="Of the autoencoder: the paper's, or one whose codes correct one another.")
    ] = AutoencoderKind.CONVOLUTIONAL,
) -> None:
    """Print a recipe to begin with, made for a folder of your own pictures, to be changed as you like.

    Example:
        anytime recipe --data ~/pictures --size 32 > mine.toml
    """
    from training.starter import write_starter

    text = write_starter(data, size, name, kind)
    parse_recipe(tomllib.loads(text), "the recipe made for this folder")
    typer.echo(text, nl=False)


def train(
    recipe: Annotated[str, typer.Argument(help=f"A recipe file, or one of: {', '.join(bundled_recipes())}.")],
    data: Annotated[str, typer.Option(help=DATA_HELP)],
    out: Annotated[Path, typer.Option(help="The run's folder; the bundle ends up in its subfolder `bundle`.")],
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run that this folder holds.")] = False,
    cache: Annotated[Path | None, typer.Option(file_okay=False, help=CACHE_HELP)] = None,
    device: Annotated[Device, typer.Option(help="Where to train; auto takes CUDA if it is there.")] = Device.AUTO,
    threads: Annotated[
        int | None,
        typer.Option(min=1, help="CPU threads, by default one per core; 1 is faster where others use them."),
    ] = None,
    checkpoint_seconds: Annotated[
        float, typer.Option(min=0, help="The most seconds of training that an interruption can cost.")
    ] = 30.0,
) -> None:
    r"""Train a model from data to a bundle.

    Stages of an ordered model: autoencoder, ordered, codes, prior, evaluate, export. Of a hierarchical one: level-1,
    codes-1, and so on for each level, prior, evaluate, export. Of a refined one: pictures, refiner, evaluate, export.

    However a run ends early, --resume goes on from its last checkpoint, and the bundle is the one that an unbroken run
    would have made. Logs for TensorBoard are in OUT/logs.

    Examples:
        anytime train smoke --data ~/data/fashion-mnist --out runs/smoke

        anytime train fashion-mnist --data ~/data/fashion-mnist \
            --out runs/fashion --resume

        anytime train mine.toml --data ~/pictures --out runs/pictures

        accelerate launch --multi_gpu -m anytime train cifar10 \
            --data ~/data/cifar10 --out runs/cifar10
    """
    require_extras()
    processes = ALONE
    try:
        with joined(device, threads) as processes:
            parsed = load_any_recipe(recipe)
            with processes.main_first():
                if processes.main:
                    check_folder(out, resume)
            _run(parsed, data, out, cache, prepare_torch(device, threads), checkpoint_seconds, processes)
    except KeyboardInterrupt:
        if not processes.main:
            raise typer.Exit(INTERRUPTED) from None
        sys.stderr.write(f"anytime: interrupted; the same command with --resume goes on from {out}'s last checkpoint\n")
        raise typer.Exit(INTERRUPTED) from None


def random_bundle(
    recipe: Annotated[str, typer.Option(help=f"A recipe file, or one of: {', '.join(bundled_recipes())}.")],
    out: Annotated[Path, typer.Option(help="The bundle's folder; a bundle that is there is replaced.")],
    seed: Annotated[int | None, typer.Option(min=0, help="Decides the weights; by default the recipe's seed.")] = None,
) -> None:
    """Make a bundle of a recipe's shape with random weights, to measure what such a model costs before it is trained.

    Example:
        anytime bundle random --recipe cifar10 --out runs/cifar10-random
    """
    parsed = load_any_recipe(recipe)

    from rich.console import Console

    from training.random_bundle import write_random_bundle

    manifest = write_random_bundle(out, parsed, parsed.seed if seed is None else seed)
    size = sum(entry.bytes for entry in manifest.files.values())
    Console().print(
        f"{out}: {manifest.name}, version {manifest.version}, {size / 1e6:.1f} MB", markup=False, soft_wrap=True
    )


def _run(
    recipe: AnyRecipe,
    data: str,
    out: Path,
    cache: Path | None,
    torch_device: torch.device,
    checkpoint_seconds: float,
    processes: Processes,
) -> None:
    from rich.console import Console

    from training import pipeline
    from training.context import RunContext
    from training.data.dataset import prepare
    from training.data.progress import PreparationProgress
    from training.data.sources import open_source
    from training.progress import RunProgress

    console = Console(quiet=not processes.main)
    with processes.main_first():
        dataset = prepare(open_source(data, recipe.media.type), recipe, cache, PreparationProgress(console))
    # From here on the recipe names its labels, also those that it has from the data.
    recipe = recipe.model_copy(update={"labels": dataset.labels})
    progress = RunProgress(out / "logs" if processes.main else None, console)
    if isinstance(recipe, Recipe):
        context = RunContext(recipe, dataset, out, torch_device, progress, checkpoint_seconds, processes=processes)
        pipeline.run(context)
        return

    if isinstance(recipe, HierarchicalRecipe):
        from training.hierarchical.context import HierarchicalContext
        from training.hierarchical.pipeline import run_hierarchical

        run_hierarchical(
            HierarchicalContext(recipe, dataset, out, torch_device, progress, checkpoint_seconds, processes=processes)
        )
        return

    from training.refined.context import RefinedContext
    from training.refined.pipeline import run_refined

    run_refined(RefinedContext(recipe, dataset, out, torch_device, progress, checkpoint_seconds, processes=processes))
