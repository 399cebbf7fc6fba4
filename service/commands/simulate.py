"""`anytime simulate`: the scheduler and its rivals under a simulated load, measured against the clairvoyant bound."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from models.errors import AnytimeError
from models.suggestions import did_you_mean
from service.settings import PRETRAINED, Settings

if TYPE_CHECKING:
    from service.simulation.experiment import House
    from service.simulation.tally import Cell
    from service.simulation.traces import Arrival

_DEFAULTS = {name: field.default for name, field in Settings.model_fields.items()}

Played = tuple[float | None, "Sequence[Arrival]"]
"""A load, None for a trace as it was recorded, and its requests."""


class Process(StrEnum):
    """How requests come."""

    POISSON = "poisson"
    BURSTS = "bursts"
    DIURNAL = "diurnal"


def simulate(
    load: Annotated[
        str | None, typer.Option(help="Multiples of the capacity, separated by commas. [default: 1; a trace as it is]")
    ] = None,
    policy: Annotated[
        str, typer.Option(help="ours, fifo-full, fifo-cut, edf-full, processor-sharing, separated by commas, or all.")
    ] = "ours",
    requests: Annotated[int, typer.Option(min=1, help="How many requests come, per load.")] = 10_000,
    arrivals: Annotated[Process, typer.Option(help="How they come.")] = Process.POISSON,
    deadlines: Annotated[
        str, typer.Option(help="Milliseconds, separated by commas and all as likely; or heavy, or pareto.")
    ] = "20,50,100,200",
    trace: Annotated[
        Path | None, typer.Option(help="Recorded requests instead: JSON lines with at_s, deadline_ms and more.")
    ] = None,
    costs: Annotated[
        Path | None, typer.Option(help="Recorded durations of steps, decodes and encodings (JSON); else a formula.")
    ] = None,
    bundle: Annotated[Path, typer.Option(help="Whose quality curve counts.")] = PRETRAINED / "fashion-mnist",
    workers: Annotated[int, typer.Option(min=1, help="Devices.")] = 1,
    slots: Annotated[int, typer.Option(min=1, help="Samples in progress at once, per device.")] = _DEFAULTS["slots"],
    queue_limit: Annotated[int, typer.Option(min=1, help="Samples that may wait for a slot.")] = _DEFAULTS[
        "queue_limit"
    ],
    network_ms: Annotated[
        float, typer.Option(min=0, help="Kept back from every deadline, as by the server that a trace was recorded on.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same numbers.")] = 0,
    json_file: Annotated[Path | None, typer.Option("--json", help="Where to write the numbers.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Where to draw them (PNG).")] = None,
) -> None:
    r"""Simulate the scheduler under load, beside other policies, and compare with the best that anyone could do.

    No time passes and no model runs: the device is a list of durations. The capacity is what the devices can do per
    second at their best batch, every sample at full length. The bound knows every arrival in advance.

    Examples:
        anytime simulate --load 1,2,4 --policy all --requests 500 \
            --json simulated.json --plot simulated.png

        anytime simulate --load 2 --arrivals bursts --deadlines heavy \
            --requests 2000

        anytime simulate --trace requests.jsonl --costs device.json --workers 2
    """
    names = _policies(policy)
    loads = None if load is None else _loads(load)
    _check_outputs(json_file, plot)
    house = _house(costs, bundle, workers, slots, queue_limit, network_ms / 1000, seed)
    played = _played(house, loads, trace, arrivals, deadlines, requests, seed)
    cells = _serve(house, played, names)
    _print(cells)
    if json_file is not None:
        conditions = {
            "capacity_per_s": house.capacity(),
            "workers": workers,
            "slots": slots,
            "queue_limit": queue_limit,
            "network_ms": network_ms,
            "arrivals": "recorded" if trace else arrivals,
            "deadlines": "recorded" if trace else deadlines,
            "seed": seed,
        }
        _write(json_file, json.dumps(conditions | {"cells": [asdict(cell) for cell in cells]}, indent=1).encode())
    if plot is not None:
        from service.simulation.plot import draw

        _write(plot, draw(cells))


def _policies(text: str) -> Sequence[str]:
    from service.simulation.policies import POLICIES

    names = list(POLICIES) if text == "all" else text.split(",")
    for name in names:
        if name not in POLICIES:
            near = did_you_mean(name, POLICIES)
            raise AnytimeError(f"there is no policy {name!r}{near}; choose from {', '.join(POLICIES)}")
    return names


def _loads(text: str) -> Sequence[float]:
    try:
        loads = [float(each) for each in text.split(",")]
    except ValueError:
        loads = []
    if not loads or not all(0 < each < 1e6 for each in loads):
        raise AnytimeError(f"loads are multiples of the capacity like 0.5,1,2, not {text!r}")
    return loads


def _check_outputs(json_file: Path | None, plot: Path | None) -> None:
    """Find out before a long run what could not be written after it."""
    for path in (json_file, plot):
        if path is not None and not path.parent.is_dir():
            raise AnytimeError(f"cannot write {path}: its folder is not there")
    if plot is not None:
        from service.simulation.plot import require_matplotlib

        require_matplotlib()


def _house(
    costs: Path | None, bundle: Path, workers: int, slots: int, queue_limit: int, network: float, seed: int
) -> House:
    from models.bundle.reader import read_manifest
    from service.simulation.durations import read_durations, small_cpu_model
    from service.simulation.experiment import House

    durations = small_cpu_model(slots) if costs is None else read_durations(costs)
    return House(durations, read_manifest(bundle).quality_curve, workers, slots, queue_limit, network, seed)


def _played(
    house: House,
    loads: Sequence[float] | None,
    trace: Path | None,
    arrivals: Process,
    deadlines: str,
    requests: int,
    seed: int,
) -> Sequence[Played]:
    """What comes, per load."""
    from service.simulation import traces

    capacity = house.capacity()
    if trace is None:
        draw = traces.deadlines(deadlines)
        return [
            (load, traces.synthetic(arrivals, draw, load * capacity, requests, house.codes, seed))
            for load in loads or [1.0]
        ]
    recorded = traces.read_trace(trace, house.codes)
    if loads is None:
        return [(None, recorded)]
    return [(load, traces.at_rate(recorded, load * capacity)) for load in loads]


def _serve(house: House, played: Sequence[Played], policies: Sequence[str]) -> Sequence[Cell]:
    from rich.console import Console
    from rich.progress import Progress

    from service.simulation.experiment import serve

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("simulating", total=len(played) * len(policies))
        cells = []
        for load, trace in played:
            bound = house.bound(trace)
            for policy in policies:
                cells.append(serve(house, policy, trace, bound, load))
                progress.advance(task)
    return cells


def _print(cells: Sequence[Cell]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in ("load", "policy", "sent", "on time", "late", "refused", "codes", "p10", "quality", "of bound"):
        table.add_column(heading, justify="left" if heading == "policy" else "right", no_wrap=True)
    for cell in cells:
        table.add_row(
            "as is" if cell.load is None else f"{cell.load:g}",
            cell.policy,
            str(cell.sent),
            f"{cell.on_time / cell.sent:.2%}",
            str(cell.late),
            str(cell.refused),
            f"{cell.codes.mean:.1f}",
            f"{cell.codes.p10:.0f}",
            f"{cell.quality_per_sent:.3f}",
            f"{cell.bound_share:.1%}",
        )
    Console().print(table)


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise AnytimeError(f"cannot write {path}: {error.strerror}") from error
