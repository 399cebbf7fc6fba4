"""The command `anytime evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from training.devices import Device, prepare_torch
from training.extras import require_extras

if TYPE_CHECKING:
    from rich.console import Console

    from training.evaluation.measure import Evaluation


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(evaluate)


def evaluate(
    bundle: Annotated[Path, typer.Argument(help="The bundle's folder.", show_default=False)],
    data: Annotated[str, typer.Option(help="The data set it was trained on, as for `anytime train`.")],
    report: Annotated[Path, typer.Option(file_okay=False, help="Folder for report.json, plots and pictures.")],
    record: Annotated[
        bool, typer.Option("--record", help="Write into the bundle whether eight bits are good enough for it.")
    ] = False,
    samples: Annotated[
        int | None, typer.Option(min=2, help="Samples to draw; by default what the bundle's recipe says.")
    ] = None,
    inception: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False,
            help="Inception's weights as pytorch-fid and torch-fidelity publish them: distances are then FIDs.",
        ),
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="Where prepared data is kept; by default ~/.cache/anytime/data."),
    ] = None,
    device: Annotated[Device, typer.Option(help="Where to compute; auto takes CUDA if it is there.")] = Device.AUTO,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads; by default one per core.")] = None,
) -> None:
    r"""Measure a bundle: reconstructions beside PCA, samples by fraction of the codes, and whether its claims hold.

    Also draws the samples with the executor of eight bits, where it can be had, and says what that costs. With --record
    the bundle says so, too, and `anytime serve --executor auto` computes with eight bits if they have passed.

    Writes report.json, plots and pictures. The first time, a classifier is trained on the real training images to judge
    the samples; it is kept in the report's folder.

    Examples:
        anytime evaluate runs/mine/bundle --data ~/data/mnist --report report

        anytime evaluate runs/mine/bundle --data ~/data/mnist \
            --report report --samples 2000

        anytime evaluate runs/mine/bundle --data ~/data/mnist \
            --report report --record

        anytime evaluate runs/mine/bundle --data ~/data/mnist \
            --report report --inception pt_inception-2015-12-05-6726825d.pth
    """
    require_extras()

    from rich.console import Console

    from models.bundle.writer import record_eight_bit
    from training.evaluation.console import progress_bar, show
    from training.evaluation.eight_bit import recorded, summary
    from training.evaluation.measure import evaluate as measure

    console = Console()
    evaluation = _prepare(bundle, data, report, samples, inception, cache, device, threads, console)
    if record:
        _check_recordable(bundle, data, evaluation)
    if evaluation.trained_on is False:
        console.print(f"Note: {bundle} was trained on other data than {data}.", markup=False, soft_wrap=True)
    with progress_bar(console, evaluation.steps) as progress:
        found = measure(evaluation, progress)
    show(console, found)
    console.print(f"Written to {report}", markup=False, soft_wrap=True)
    check = recorded(found)
    if record and check is not None:
        record_eight_bit(bundle, check)
        console.print(f"{bundle}: now says of eight bits: {summary(found)}", markup=False, soft_wrap=True)


def _check_recordable(bundle: Path, data: str, evaluation: Evaluation) -> None:
    """Refuse to measure for nothing.

    Raises:
        AnytimeError: if there will be nothing that the bundle could say.
    """
    from models.errors import DataError, DeviceError
    from models.runtime.choice import EIGHT_BIT, obstacle

    if evaluation.trained_on is False:
        raise DataError(f"--record: {bundle} was trained on other data than {data}, which says nothing of it")
    reason = obstacle(evaluation.networks.prior.config.kind, evaluation.networks.prior.device.type)
    if reason is not None:
        raise DeviceError(f"--record: {EIGHT_BIT} cannot be checked here: {reason}")


def _prepare(
    bundle: Path,
    data: str,
    report: Path,
    samples: int | None,
    inception: Path | None,
    cache: Path | None,
    device: Device,
    threads: int | None,
    console: Console,
) -> Evaluation:
    torch_device = prepare_torch(device, threads)

    from models.bundle.networks import load_networks
    from models.errors import DataError
    from training.data.progress import PreparationProgress
    from training.data.sources import open_source
    from training.evaluation.measure import Evaluation
    from training.evaluation.provenance import fingerprint_of, recipe_of
    from training.evaluation.subject import dataset_for
    from training.recipe import EvaluateRecipe

    networks = load_networks(bundle, str(torch_device))
    manifest = networks.manifest
    source = open_source(data, manifest.media.type)
    dataset = dataset_for(manifest, source, data, cache, PreparationProgress(console))
    recipe, trained_on = recipe_of(manifest), fingerprint_of(manifest)
    settings = recipe.evaluate if recipe else EvaluateRecipe()
    if samples is not None and samples < len(manifest.labels):
        raise DataError(f"--samples: {samples} samples are too few for {len(manifest.labels)} labels")
    return Evaluation(
        networks=networks,
        dataset=dataset,
        recipe=settings,
        samples=samples or settings.samples_per_class * len(manifest.labels),
        seed=recipe.seed if recipe else 0,
        directory=report,
        device=torch_device,
        trained_on=None if trained_on is None else trained_on == dataset.fingerprint,
        inception=inception,
    )
