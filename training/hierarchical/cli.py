"""The command `anytime hierarchy ladder`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from models.hierarchical.cli import hierarchy
from training.devices import Device, prepare_torch
from training.extras import require_extras

if TYPE_CHECKING:
    from training.hierarchical.report import LadderFacts


def register() -> None:
    """Add the command to those that look into hierarchies."""
    hierarchy.command()(ladder)


def ladder(
    bundle: Annotated[Path, typer.Argument(help="The folder of a hierarchical model's bundle.", show_default=False)],
    data: Annotated[str, typer.Option(help="The data set it was trained on, as for `anytime train`.")],
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder for ladder.json, and for the classifier.")],
    samples: Annotated[int, typer.Option(min=2, help="Samples to draw.")] = 1000,
    cache: Annotated[Path | None, typer.Option(file_okay=False, help="Where prepared data is kept.")] = None,
    device: Annotated[Device, typer.Option(help="Where to compute; auto takes CUDA if it is there.")] = Device.AUTO,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads; by default one per core.")] = None,
) -> None:
    r"""Measure how near samples come to real images with every further code, by all ways to fill in what is missing.

    Example:
        anytime hierarchy ladder runs/hierarchy/bundle --data ~/data/mnist \
            --out ladder --samples 40
    """
    require_extras()
    torch_device = prepare_torch(device, threads)

    from models.bundle.networks import load_hierarchy
    from training.data.dataset import prepare
    from training.data.progress import PreparationProgress
    from training.data.sources import open_source
    from training.evaluation.classifier import ClassifierConfig, train_or_load
    from training.evaluation.measure import CLASSIFIER
    from training.evaluation.samples import labels_like
    from training.hierarchical.comparison import compare
    from training.hierarchical.export import recipe_of
    from training.seeds import derive_seed

    console = Console()
    manifest, networks = load_hierarchy(bundle, str(torch_device))
    recipe = recipe_of(manifest)
    dataset = prepare(open_source(data, manifest.media.type), recipe, cache, PreparationProgress(console))
    out.mkdir(parents=True, exist_ok=True)
    config = ClassifierConfig(epochs=recipe.evaluate.classifier_epochs, seed=recipe.seed)
    classes = len(manifest.labels)
    extractor = train_or_load(out / CLASSIFIER, config, dataset.train, classes, torch_device, console.print)
    labels = labels_like(dataset.validation.labels, classes, samples).tolist()
    seed = derive_seed(recipe.seed, "comparison")
    found = list(compare(networks, labels, manifest.sampling, seed, extractor, dataset.validation, console.print))
    (out / "ladder.json").write_text(json.dumps([each.model_dump(mode="json") for each in found], indent=2) + "\n")
    console.print(_table(found))


def _table(found: list[LadderFacts]) -> Table:
    first = found[0]
    table = Table(
        title=f"{first.name} of {first.samples} samples to {first.reference_images} held-out images, by codes",
        title_justify="left",
    )
    table.add_column("codes", justify="right")
    for each in found:
        table.add_column(f"{each.top}; {each.below}; {each.order}", justify="right")
    distances = [{rung.codes: rung.distance for rung in each.rungs} for each in found]
    for codes in sorted({codes for each in distances for codes in each}):
        values = [each.get(codes) for each in distances]
        cells = ["" if each is None else f"{each.value:.2f} ({each.low:.2f} to {each.high:.2f})" for each in values]
        table.add_row(str(codes), *cells)
    return table
