"""`anytime keys`: make, list and revoke the keys that a server asks for."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from models.errors import AnytimeError
from service.access.keyfile import add_key, read_keys, revoke_key
from service.access.keys import Key

keys = typer.Typer(no_args_is_help=True)

_Name = Annotated[str, typer.Argument(help="Whose key it is: letters, digits, - and _. It shows in logs and metrics.")]
_File = Annotated[Path, typer.Option(help="The file of keys.")]
_FILE = Path("keys.toml")
_PERIOD = re.compile(r"([0-9]{1,6})([hd])")
_UNITS = {"h": "hours", "d": "days"}


@keys.callback()
def _keys() -> None:
    """Make, list and revoke the keys that a server asks for.

    Example:
        anytime keys add alice
    """


@keys.command()
def add(
    name: _Name,
    file: _File = _FILE,
    rate: Annotated[float | None, typer.Option(help="Requests per second; any number if left out.")] = None,
    burst: Annotated[int | None, typer.Option(help="Of those, how many at once; a second's if left out.")] = None,
    concurrency: Annotated[int | None, typer.Option(help="Requests in progress at once.")] = None,
    max_deadline_ms: Annotated[float | None, typer.Option(help="Longer deadlines are clamped to this.")] = None,
    expires: Annotated[
        str | None,
        typer.Option(help="Until when it is good: 2027-01-31, 2027-01-31T12:00+01:00 (UTC if no zone), 90d or 12h."),
    ] = None,
    metrics_only: Annotated[bool, typer.Option("--metrics-only", help="It opens /metrics and nothing else.")] = False,
) -> None:
    r"""Make a key and show it, once: the file holds only what tells whether it is right.

    A running server takes it from the next second on. The key alone goes to stdout.

    Examples:
        anytime keys add alice

        anytime keys add bob --rate 10 --burst 20 --concurrency 4 \
            --max-deadline-ms 2000 --expires 90d

        anytime keys add prometheus --metrics-only > anytime.key
    """
    if burst is not None and rate is None:
        raise AnytimeError("--burst says how many of the --rate may come at once; give that, too")
    now = datetime.now(UTC)
    limits = {
        "rate": rate,
        "burst": burst,
        "concurrency": concurrency,
        "max_deadline_ms": max_deadline_ms,
        "expires": None if expires is None else _moment(expires, now),
        "metrics_only": metrics_only,
    }
    key = add_key(file, name, {field: value for field, value in limits.items() if value is not None}, now)
    typer.echo(f"{name} is in {file}. This is the key, shown now and never again:", err=True)
    typer.echo(key)


@keys.command("list")
def show(file: _File = _FILE) -> None:
    """Show the keys in a file and what each may do; what they are is nowhere to be seen.

    Example:
        anytime keys list --file keys.toml
    """
    now = datetime.now(UTC)
    table = Table(box=None, pad_edge=False)
    for heading in ("name", "per second", "at once", "in progress", "longest ms", "made", "good until"):
        table.add_column(heading)
    for name, key in read_keys(file).items():
        table.add_row(name, *_limits(key), _day(key.created), _until(key, now))
    Console().print(table)


@keys.command()
def revoke(name: _Name, file: _File = _FILE) -> None:
    """Take a key out of a file. A running server refuses it from the next second on, also on open websockets.

    Example:
        anytime keys revoke mallory
    """
    revoke_key(file, name)
    typer.echo(f"{name} is no longer in {file}.", err=True)


def _moment(text: str, now: datetime) -> datetime:
    """A moment, or a time from now on.

    Raises:
        AnytimeError: it is neither, or has passed.
    """
    try:
        if period := _PERIOD.fullmatch(text):
            moment = now.replace(microsecond=0) + timedelta(**{_UNITS[period[2]]: int(period[1])})
        else:
            moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError) as error:
        raise AnytimeError(f"--expires {text} is no date, as 2027-01-31, and no time from now on, as 90d") from error
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if moment <= now:
        raise AnytimeError(f"--expires {text} has passed")
    return moment


def _limits(key: Key) -> list[str]:
    if key.metrics_only:
        return ["/metrics only", "", "", ""]
    burst = None if key.rate is None else key.most_at_once
    return [_number(limit) for limit in (key.rate, burst, key.concurrency, key.max_deadline_ms)]


def _number(limit: float | None) -> str:
    return "any" if limit is None else f"{limit:g}"


def _day(moment: datetime | None) -> str:
    return "?" if moment is None else f"{moment:%Y-%m-%d}"


def _until(key: Key, now: datetime) -> str:
    if key.expires is None:
        return "revoked"
    return f"{key.expires:%Y-%m-%d %H:%M %Z}" + (" (has passed)" if key.expired(now) else "")
