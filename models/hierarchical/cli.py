"""The commands `anytime hierarchy sizes` and `anytime bench incremental`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from models.errors import AnytimeError
from models.suggestions import did_you_mean

if TYPE_CHECKING:
    from models.hierarchical.config import HierarchyConfig

hierarchy = typer.Typer(no_args_is_help=True)


@hierarchy.callback()
def _hierarchy() -> None:
    """Look into hierarchical models with auxiliary decoders.

    Examples:
        anytime hierarchy sizes

        anytime hierarchy sizes --help
    """


@hierarchy.command()
def sizes(
    model: Annotated[list[str] | None, typer.Argument(help="Models by name.", show_default="all")] = None,
    labels: Annotated[int, typer.Option(min=0, help="Classes that the priors know; the paper's have 1000.")] = 1000,
    out: Annotated[Path | None, typer.Option("--json", help="Write the numbers to this file.")] = None,
) -> None:
    """Say how many parameters each part of a model has.

    Examples:
        anytime hierarchy sizes

        anytime hierarchy sizes paper-128-masked small-grey --json sizes.json
    """
    from models.hierarchical.counting import parameters_by_part
    from models.hierarchical.named import NAMED

    counts = {name: parameters_by_part(_named(name), labels) for name in model or NAMED}
    Console().print(*[_counts(name, each) for name, each in counts.items()], sep="\n")
    if out is not None:
        out.write_text(json.dumps(counts, indent=2) + "\n", encoding="utf-8")


def incremental(
    model: Annotated[str, typer.Option(help="The model whose prior is measured, with random weights.")] = "small-grey",
    grid: Annotated[int, typer.Option(min=1, help="Rows and columns of the codes.")] = 32,
    batch: Annotated[
        list[int] | None, typer.Option(min=1, help="Samples at a time; repeat the option.", show_default="1, 25")
    ] = None,
    passes: Annotated[int, typer.Option(min=1, help="Passes of naive sampling that are timed.")] = 8,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
    out: Annotated[Path | None, typer.Option("--json", help="Write the numbers to this file.")] = None,
) -> None:
    """Time incremental sampling of a hierarchical model's prior against naive sampling, in one run.

    Example:
        anytime bench incremental --grid 8 --batch 1 --json incremental.json
    """
    import torch

    from models.hierarchical.benchmark import benchmark_prior
    from models.runtime import determinism

    config = _named(model)
    determinism.configure()
    torch.set_num_threads(threads)
    codes = config.grids[-1].model_copy(update={"height": grid, "width": grid})
    result = {"model": model, **benchmark_prior(config.prior, codes, tuple(batch or (1, 25)), passes)}
    Console().print(_timings(result))
    if out is not None:
        out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def _named(name: str) -> HierarchyConfig:
    """Raises AnytimeError if there is no model of that name."""
    from models.hierarchical.named import NAMED

    if name not in NAMED:
        raise AnytimeError(f"{name}: no such model{did_you_mean(name, NAMED)}; there are {', '.join(NAMED)}")
    return NAMED[name]


def _counts(name: str, model: dict[str, dict[str, int]]) -> Table:
    total = sum(sum(of_parts.values()) for of_parts in model.values())
    table = Table(title=f"{name}: {_millions(total)} million parameters", title_justify="left")
    columns = list(dict.fromkeys(part for of_parts in model.values() for part in of_parts if part != "prior"))
    for heading in ("", *columns, "all"):
        table.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    for which, of_parts in model.items():
        numbers = [_millions(of_parts[part]) if part in of_parts else "" for part in columns]
        table.add_row(which, *numbers, _millions(sum(of_parts.values())))
    return table


def _millions(count: int) -> str:
    return f"{count / 1e6:.2f}"


def _timings(result: dict[str, Any]) -> Table:
    edge = result["grid"]["height"]
    title = f"prior of {result['model']}, {edge} x {edge}, on {result['machine']}, {result['threads']} thread(s)"
    table = Table(title=title, title_justify="left")
    for heading in (
        "batch",
        "executor",
        "naive, s",
        "incremental, s",
        "times faster",
        "by processor time",
        "ms per place",
        "largest difference",
    ):
        table.add_column(heading, justify="right")
    for row in result["rows"]:
        for name, way in row["incremental"].items():
            table.add_row(
                str(row["batch"]),
                name,
                f"{row['naive_seconds']:.1f}",
                f"{way['seconds']:.3f}",
                f"{way['times_faster']:.0f}",
                f"{way['times_less_processor_time']:.0f}",
                f"{way['step_ms']['median']:.3f}",
                f"{way['largest_difference_of_logits']:.1e}",
            )
    caption = f"naive: the median of {result['rows'][0]['naive_passes_timed']} passes, for every symbol"
    table.caption = caption
    return table
