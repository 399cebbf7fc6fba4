"""The comparison as JSON and as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

import msgspec
from bench.peers.comparison import Found, Wish
from bench.peers.trials import Cell, Rehearsal, Trial, together
from bench.peers.tuning import Tuning

from models.errors import AnytimeError
from service.bench.report import Machine, this_machine, versions

PACKAGES = ("litserve", "mosec", "torch")


class Report(msgspec.Struct, frozen=True):
    """What a run found.

    Attributes:
        capacity: full-length requests per second of our own server, of which every load is a multiple.
        tunings: of the peers, by name.
        rehearsals: how they were chosen.
        cells: one per server and load.
        trials: what the cells are made of, in the order in which they ran.
    """

    machine: Machine
    versions: dict[str, str]
    deadlines_ms: list[float]
    seconds: float
    repeats: int
    seed: int
    capacity: float
    tunings: dict[str, Tuning]
    rehearsals: list[Rehearsal]
    cells: list[Cell]
    trials: list[Trial]


def report(wish: Wish, found: Found) -> Report:
    """Everything about a run."""
    return Report(
        machine=this_machine(),
        versions={**versions(), **{name: version(name) for name in PACKAGES}},
        deadlines_ms=list(wish.deadlines),
        seconds=wish.seconds,
        repeats=wish.repeats,
        seed=wish.seed,
        capacity=round(found.capacity, 3),
        tunings={each.name: each.tuning for each in found.contenders if each.tuning},
        rehearsals=found.rehearsals,
        cells=together(found.trials),
        trials=found.trials,
    )


def markdown(found: Report) -> str:
    """Two tables, one row per server and one column per load, and what they are about."""
    deadlines = ", ".join(f"{each:g}" for each in found.deadlines_ms)
    packages = ", ".join(f"{name} {found.versions[name]}" for name in ("anytime", *PACKAGES))
    return "\n".join(
        [
            f"{found.machine.cores} x {found.machine.cpu}; {packages}.",
            f"Load 1 is {found.capacity:,.1f} requests per second. Deadlines of {deadlines} ms, each as likely as the "
            f"others; {found.repeats} x {found.seconds:g} seconds per load.",
            "",
            "Expected quality that arrived on time, per second (lowest and highest repeat):",
            "",
            *_table(found.cells, _quality),
            "",
            "Requests answered on time / late / refused or failed, in percent:",
            "",
            *_table(found.cells, _shares),
            "",
            "Settings of the peers; each uses those that it has:",
            "",
            *(f"- {name}: {_settings(tuning)}" for name, tuning in found.tunings.items()),
            "",
        ]
    )


def write_json(found: Report, path: Path) -> None:
    """Write the document. Raises AnytimeError if it cannot be written."""
    _write(path, msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")


def write_markdown(found: Report, path: Path) -> None:
    """Write the tables. Raises AnytimeError if they cannot be written."""
    _write(path, markdown(found).encode())


def _table(cells: Sequence[Cell], show: Callable[[Cell], str]) -> list[str]:
    loads = list(dict.fromkeys(cell.load for cell in cells))
    shown = {(cell.server, cell.load): show(cell) for cell in cells}
    rows = [
        [server, *(shown.get((server, load), "–") for load in loads)]
        for server in dict.fromkeys(cell.server for cell in cells)
    ]
    head = [["server", *(f"load {load:g}" for load in loads)], ["---", *["---:"] * len(loads)]]
    return [f"| {' | '.join(row)} |" for row in (*head, *rows)]


def _settings(tuning: Tuning) -> str:
    return ", ".join(f"`{name}` {value:g}" for name, value in msgspec.structs.asdict(tuning).items())


def _quality(cell: Cell) -> str:
    return f"{cell.quality_per_s:,.1f} ({cell.lowest:,.1f}–{cell.highest:,.1f})"


def _shares(cell: Cell) -> str:
    return " / ".join(f"{100 * share:.1f}" for share in (cell.on_time, cell.late, cell.lost))


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise AnytimeError(f"cannot write {path}: {(error.strerror or str(error)).lower()}") from error
