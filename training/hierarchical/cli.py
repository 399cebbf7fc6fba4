"""The commands `anytime hierarchy ladder`, `step` and `predictability`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console, Group
from rich.table import Table

from models.errors import AnytimeError
from models.hierarchical.cli import hierarchy
from training.devices import Device, prepare_torch
from training.extras import require_extras

if TYPE_CHECKING:
    from training.hierarchical.recipe import HierarchicalRecipe
    from training.hierarchical.report import LadderFacts


def register() -> None:
    """Add the commands to those that look into hierarchies."""
    hierarchy.command()(ladder)
    hierarchy.command()(step)
    hierarchy.command()(predictability)


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
    from training.recipe import recipe_in
    from training.seeds import derive_seed

    console = Console()
    manifest, networks = load_hierarchy(bundle, str(torch_device))
    recipe = recipe_in(manifest)
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


def step(
    recipe: Annotated[str, typer.Argument(help="A hierarchical recipe: its file, or the name of a bundled one.")],
    batch: Annotated[int, typer.Option(min=1, help="Examples of a step.")] = 1,
    steps: Annotated[int, typer.Option(min=1, help="Steps that are timed, after one more.")] = 3,
    examples: Annotated[
        int, typer.Option(min=1, help="Training examples of the data; ImageNet's by default.")
    ] = 1281167,
    labels: Annotated[int, typer.Option(min=1, help="Classes that the prior knows; the paper's have 1000.")] = 1000,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
    out: Annotated[Path | None, typer.Option("--json", help="Write the numbers to this file.")] = None,
) -> None:
    r"""Time a training step of each level and of the prior on random symbols, and say what memory it takes.

    Example:
        anytime hierarchy step hierarchical-fashion-mnist --batch 2 --steps 1 \
            --examples 59000 --labels 10
    """
    require_extras()
    from models.benchmark import machine
    from training.hierarchical.step_cost import step_costs

    found = _recipe(recipe)
    table = Table(title=f"{found.name} on {machine('cpu')}, {threads} thread(s)", title_justify="left")
    for heading in (
        "",
        "M parameters",
        "batch",
        "s per step",
        "processor s",
        "GB state",
        "GB peak",
        "batch",
        "GB",
        "days for all steps",
    ):
        table.add_column(heading, justify="right" if heading else "left")
    rows = list(step_costs(found, batch, steps, examples, labels, threads))
    for each in rows:
        sizes = [each.state_bytes, each.peak_bytes, each.whole_bytes]
        state, peak, whole = (f"{size / 1e9:.2f}" for size in sizes)
        table.add_row(
            *(
                each.part,
                f"{each.parameters / 1e6:.2f}",
                f"{each.batch}",
                f"{each.seconds:.2f}",
                f"{each.processor_seconds:.2f}",
                state,
                peak,
            ),
            *(f"{each.whole_batch}", whole, f"{each.days:,.1f}"),
        )
    table.caption = "The last three columns: of the recipe's batch and schedule, in proportion."
    Console().print(table)
    if out is not None:
        facts = [each._asdict() | {"days": each.days, "whole_bytes": each.whole_bytes} for each in rows]
        result = {"recipe": found.name, "machine": machine("cpu"), "threads": threads, "parts": facts}
        out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def predictability(
    data: Annotated[str, typer.Option(help="The data set, as for `anytime train`.")],
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder of the runs, the numbers and the figure.")],
    recipe: Annotated[
        str, typer.Option(help="A hierarchical recipe of one level: its file, or the name of a bundled one.")
    ] = "hierarchical-predictability",
    layers: Annotated[str, typer.Option(help="Of auxiliary decoders of both kinds.")] = "1,2,4,8",
    masks: Annotated[str, typer.Option(help="Edges of masks.")] = "1,3,5,7",
    seeds: Annotated[str, typer.Option(help="Which seeds.")] = "0,1,2",
    cache: Annotated[Path | None, typer.Option(file_okay=False, help="Where prepared data is kept.")] = None,
    device: Annotated[Device, typer.Option(help="Where to compute; auto takes CUDA if it is there.")] = Device.AUTO,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads; by default one per core.")] = None,
) -> None:
    r"""Measure how predictable codes are, by the depth of the auxiliary decoder that shapes them and by its masks.

    For each decoder and seed an encoder and a small prior are trained; the same command goes on where it was.

    Example:
        anytime hierarchy predictability --data ~/data/fashion-mnist \
            --out predictability --layers 1,2 --masks 3 --seeds 0
    """
    require_extras()
    compared = _numbers("--layers", layers), _numbers("--masks", masks)
    torch_device = prepare_torch(device, threads)

    from training.data.dataset import prepare
    from training.data.progress import PreparationProgress
    from training.data.sources import open_source
    from training.hierarchical.predictability import auxiliaries, figure, measure, summary
    from training.progress import RunProgress

    console, found_recipe = Console(), _recipe(recipe)
    source = open_source(data, found_recipe.media.type)
    found = measure(
        found_recipe,
        auxiliaries(*compared),
        _numbers("--seeds", seeds),
        out,
        lambda each: prepare(source, each, cache, PreparationProgress(console)),
        torch_device,
        lambda logs: RunProgress(logs, console),
        lambda line: console.print(line, markup=False, highlight=False, soft_wrap=True),
    )
    facts = summary(found_recipe, found)
    (out / "predictability.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    for half in ("layers", "masks"):
        (out / f"predictability-by-{half}.png").write_bytes(figure(found, half))
    console.print(_predictability(facts))


def _recipe(name: str) -> HierarchicalRecipe:
    """Raises AnytimeError if it is not of a hierarchical model."""
    from training.hierarchical.recipe import HierarchicalRecipe
    from training.recipe import load_any_recipe

    found = load_any_recipe(name)
    if not isinstance(found, HierarchicalRecipe):
        raise AnytimeError(
            f"{name} is no hierarchical recipe; those that come along begin with hierarchical- or paper-"
        )
    return found


def _numbers(option: str, text: str) -> list[int]:
    """Raises AnytimeError unless they are whole numbers with commas between them."""
    numbers = [number.strip() for number in text.split(",")]
    if not all(number.isdecimal() for number in numbers):
        raise AnytimeError(f"{option}: {text!r} is not a list of whole numbers such as 0,1,2")
    return [int(number) for number in numbers]


def _predictability(facts: dict[str, Any]) -> Group:
    table = Table(title="Bits per code, given the label", title_justify="left")
    for heading in ("layers", "mask", "by the prior", "by frequencies alone"):
        table.add_column(heading, justify="right")
    for row in facts["rows"]:
        mask = "" if row["mask"] is None else f"{row['mask']} x {row['mask']}"
        values = (_over_seeds(row["bits"]), _over_seeds(row["entropy_bits"]))
        table.add_row(str(row["layers"]), mask, *values)
    words = {True: "holds", False: "does NOT hold beyond what seeds differ by"}
    lines = [f"{words[s['holds']]}: {s['statement']} ({_over_seeds(s['difference'])})" for s in facts["signs"]]
    return Group(table, *lines)


def _over_seeds(interval: dict[str, Any]) -> str:
    if interval["low"] is None:
        return f"{interval['value']:.3f} (one seed)"
    return f"{interval['value']:.3f} ({interval['low']:.3f} to {interval['high']:.3f})"


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
