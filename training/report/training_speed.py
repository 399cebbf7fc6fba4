"""How quickly the stages of runs were trained, and what part of the time they waited for data, as a section."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from models.config import Frozen
from training.baselines.options import PCAPriorRecipe, VAERecipe
from training.options import Optimisation
from training.recipe import Recipe
from training.report.collect import FinishedRun
from training.report.drawing import Drawn, Table
from training.report.section import Part, Section, hardware_of
from training.speed import StageSpeed, added

TITLE = "Training speed"


class Kind(NamedTuple):
    """What rows of the table are told apart by."""

    stage: str
    model: str
    hardware: str


class Row(Frozen):
    """One row as JSON."""

    stage: str
    model: str
    hardware: str
    samples_per_second: float
    waiting: float
    samples: int


def speed_section(runs: Iterable[FinishedRun[Any, Any]]) -> Section | None:
    """The table of all runs, each counted once however many studies it belongs to; None if nothing was measured."""
    found: dict[Kind, StageSpeed] = {}
    for run in {run.directory.resolve(): run for run in runs}.values():
        for speed in run.speeds.stages:
            kind = Kind(speed.stage, _model(run.recipe, speed.stage), hardware_of(speed.place))
            found[kind] = added(found[kind], speed) if kind in found else speed
    if not found:
        return None
    rows = [_row(kind, found[kind]) for kind in sorted(found)]
    table = Table(
        headings=("stage", "model, shape of a sample, batch", "samples/s", "waiting for data", "hardware"),
        rows=tuple(
            (row.stage, row.model, f"{row.samples_per_second:,.0f}", f"{row.waiting:.2%}", row.hardware) for row in rows
        ),
    )
    drawn = Drawn(
        pictures=(),
        tables=(table,),
        verdicts=(),
        numbers={"rows": [row.model_dump() for row in rows]},
        notes=(
            "Images or clips per second of training steps, over all runs that measured it; validation, checkpoints and "
            "the first steps of a process are left out. Waiting is the share of that time in which rows were read from "
            f"memory or from a mapped file: {max(row.waiting for row in rows):.2%} at most. Other work on the "
            "machine at the time counts against the speed.",
        ),
    )
    return Section("training-speed", TITLE, (Part("", "Samples per second of each stage", "", drawn),))


def _row(kind: Kind, speed: StageSpeed) -> Row:
    return Row(
        **kind._asdict(),
        samples_per_second=speed.samples / speed.seconds,
        waiting=speed.waiting / speed.seconds,
        samples=speed.samples,
    )


def _model(recipe: Recipe | VAERecipe | PCAPriorRecipe, stage: str) -> str:
    shape = " x ".join(map(str, recipe.media.shape))
    settings = getattr(recipe.stages, stage, None)
    batch = f", {settings.batch}" if isinstance(settings, Optimisation) else ""
    return f"{_network(recipe, stage)}, {shape}{batch}"


def _network(recipe: Recipe | VAERecipe | PCAPriorRecipe, stage: str) -> str:
    if isinstance(recipe, VAERecipe):
        return f"VAE of {recipe.network.latents} latents, widths {_list(recipe.network.widths)}"
    prior = f"{recipe.prior.kind} of {recipe.prior.layers} x {recipe.prior.width}"
    if isinstance(recipe, PCAPriorRecipe):
        return f"{prior} over {' x '.join(map(str, recipe.shape))} {stage}"
    codes = f"{recipe.autoencoder.codes} codes"
    if stage == "prior":
        return f"{prior}, {codes}"
    network = recipe.autoencoder
    if network.kind == "residual":
        return f"residual, width {network.width}, {codes}"
    return f"{network.quantisation} codes, widths {_list(network.widths)}, {codes}"


def _list(numbers: tuple[int, ...]) -> str:
    return "-".join(map(str, numbers))
