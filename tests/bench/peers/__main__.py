"""`python -m bench.peers`: the service and others behind the same model, under the same load, one after another."""

from __future__ import annotations

import signal
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from bench.peers.comparison import Wish, compare
from bench.peers.report import markdown, report, write_json, write_markdown
from bench.peers.servers import CONTENDERS, of_length

from models.errors import AnytimeError


def main(
    load: Annotated[str, typer.Option(help="Multiples of our capacity, one after another.")] = "0.6,1,2,4",
    deadlines: Annotated[str, typer.Option(help="Milliseconds; each request has one of them.")] = "20,50,100,200",
    seconds: Annotated[float, typer.Option(min=0.1, help="How long each load lasts.")] = 8.0,
    repeats: Annotated[int, typer.Option(min=1, help="How often every server takes all loads.")] = 4,
    seed: Annotated[int, typer.Option(help="Decides when which request is sent.")] = 0,
    codes: Annotated[
        int | None, typer.Option(min=1, help="Peers take part a second time, with so many codes for every sample.")
    ] = None,
    rehearsal: Annotated[
        float, typer.Option(min=0, help="Seconds per load and setting to find each peer's best; 0 takes the first.")
    ] = 3.0,
    only: Annotated[str, typer.Option(help="Servers whose names begin so, with commas between; all if empty.")] = "",
    out: Annotated[Path | None, typer.Option("--json", help="Write the numbers to this file.")] = None,
    tables: Annotated[Path | None, typer.Option("--markdown", help="Write the tables to this file.")] = None,
) -> None:
    """Compare the service with LitServe and mosec on this machine."""
    chosen = [each for each in CONTENDERS if each.name.lower().startswith(tuple(only.lower().split(",")))]
    if codes is not None:
        chosen += [of_length(each, codes) for each in chosen if each.tunings]
    if not chosen:
        raise typer.BadParameter(f"names are {', '.join(each.name for each in CONTENDERS)}", param_hint="--only")
    wish = Wish(chosen, _numbers(load), _numbers(deadlines), seconds, repeats, seed, rehearsal)
    with tempfile.TemporaryDirectory(prefix="peers-") as folder:
        found = report(wish, compare(wish, Path(folder), _say))
    print(markdown(found))
    if out is not None:
        write_json(found, out)
    if tables is not None:
        write_markdown(found, tables)


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def _terminate(*_: object) -> None:
    sys.exit(128 + signal.SIGTERM)


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise typer.BadParameter("give numbers with commas between them") from error


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _terminate)  # so that the server under way is stopped, too
    try:
        typer.run(main)
    except AnytimeError as error:
        sys.exit(f"error: {error}")
