"""The command `anytime compare`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from models.errors import AnytimeError
from training.devices import Device, prepare_torch
from training.extras import require_extras

if TYPE_CHECKING:
    from rich.table import Table

    from training.compare.measure import Compared

BUDGETS_MS = (1, 2, 3, 5, 10, 15, 20, 30, 50)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(compare)


def compare(
    bundles: Annotated[list[Path], typer.Argument(help="Folders of bundles, of any kinds.", show_default=False)],
    data: Annotated[str, typer.Option(help="The data set that all were trained on, as for `anytime train`.")],
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder for compare.json, compare.png, the classifier.")],
    samples: Annotated[int, typer.Option(min=2, help="Samples to judge, of each model.")] = 1000,
    timed: Annotated[int, typer.Option(min=1, help="Samples to time, of each model.")] = 20,
    cache: Annotated[Path | None, typer.Option(file_okay=False, help="Where prepared data is kept.")] = None,
) -> None:
    r"""Compare models of any kind by how near to real pictures each comes in the same time, on a CPU thread.

    Data and classifier are as the model with the smallest pictures has them; of others' pictures the middle is judged.

    Example:
        anytime compare runs/mine/bundle runs/hierarchy/bundle \
            --data ~/data/mnist --out compared --samples 20 --timed 1
    """
    require_extras()
    torch_device = prepare_torch(Device.CPU, 1)

    from rich.console import Console

    from models.bundle.reader import verify_any_bundle
    from training.compare.measure import check_comparable
    from training.compare.measure import compare as measure
    from training.compare.plot import plot
    from training.data.dataset import prepare
    from training.data.progress import PreparationProgress
    from training.data.sources import open_source
    from training.evaluation.classifier import ClassifierConfig, train_or_load
    from training.evaluation.measure import CLASSIFIER
    from training.evaluation.samples import labels_like
    from training.recipe import recipe_in

    console = Console()
    manifests = [verify_any_bundle(path) for path in bundles]
    smallest = min(manifests, key=lambda manifest: manifest.media.shape[1:])
    recipe = recipe_in(smallest)
    dataset = prepare(open_source(data, recipe.media.type), recipe, cache, PreparationProgress(console))
    if len(dataset.test) < 2:
        raise AnytimeError(f"{data}: has too few test images to compare with")
    for manifest in manifests:
        check_comparable(manifest, dataset)
    out.mkdir(parents=True, exist_ok=True)
    config = ClassifierConfig(epochs=recipe.evaluate.classifier_epochs, seed=recipe.seed)
    classes = len(dataset.labels)
    extractor = train_or_load(out / CLASSIFIER, config, dataset.train, classes, torch_device, console.print)
    labels = labels_like(dataset.test.labels, classes, max(samples, classes)).tolist()
    found = measure(bundles, dataset, extractor, labels, recipe.seed, timed, console.print)
    facts = {
        "distance": f"FD ({extractor.name})",
        "samples": len(labels),
        "test_images": len(dataset.test),
        "timed": timed,
        "models": [each.model_dump(mode="json") for each in found],
    }
    (out / "compare.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    (out / "compare.png").write_bytes(plot(found, "distance to real pictures, FD"))
    console.print(_table(found))


def _table(found: list[Compared]) -> Table:
    from rich.table import Table

    table = Table(title="Distance to real pictures, by the milliseconds that a sample has", title_justify="left")
    table.add_column("ms", justify="right")
    for each in found:
        table.add_column(f"{each.model} ({each.executor})", justify="right")
    for ms in BUDGETS_MS:
        points = [each.within(ms) for each in found]
        if any(points):
            table.add_row(
                str(ms),
                *(
                    f"{point.distance.value:.1f} ({point.distance.low:.1f} to {point.distance.high:.1f}), "
                    f"{point.codes} codes"
                    if point
                    else ""
                    for point in points
                ),
            )
    return table
