"""The commands `anytime serve`, `generate` and `keys`; those of `anytime bench` join them from their own package."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from pydantic.fields import FieldInfo

from models.cli import bench
from service.bench.cli import api, deadline
from service.client.environment import API_KEY, URL, USUAL_URL
from service.client.request import KEPT
from service.commands.keys import keys
from service.commands.simulate import simulate
from service.settings import Settings, read_settings

Command = TypeVar("Command", bound=Callable[..., None])


def _with_settings(command: Command) -> Command:
    """Give a command one option per setting in the place of its `**options`, so that a setting is written down once."""
    signature = inspect.signature(command, eval_str=True)
    own = [each for each in signature.parameters.values() if each.kind is not inspect.Parameter.VAR_KEYWORD]
    settings = [_option(name, field) for name, field in Settings.model_fields.items()]
    command.__dict__["__signature__"] = signature.replace(parameters=[*settings, *own])
    return command


def _option(name: str, field: FieldInfo) -> inspect.Parameter:
    kind: Any = field.annotation
    option = typer.Option(help=field.description, show_default=str(field.default))
    annotation = Annotated[kind | None, option]
    return inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None, annotation=annotation)


def register(app: typer.Typer) -> None:
    """Add the service's commands to the command line."""
    app.command()(serve)
    app.command()(generate)
    app.command()(simulate)
    app.add_typer(keys, name="keys")
    bench.command()(deadline)
    bench.command()(api)


@_with_settings
def serve(
    config: Annotated[Path | None, typer.Option(help="TOML file with settings; environment and options win.")] = None,
    print_settings: Annotated[
        bool, typer.Option("--print-settings", help="Show every setting and where it came from, and stop.")
    ] = False,
    **options: object,
) -> None:
    """Serve every model of a folder of bundles over HTTP and websockets.

    Each setting can also be given as ANYTIME_NAME in the environment or in a TOML file.

    Examples:
        anytime serve

        anytime serve --bundles runs/mine/bundle --workers 2

        ANYTIME_THREADS=2 anytime serve --port 9000 --print-settings
    """
    overrides = {name: value for name, value in options.items() if value is not None}
    settings, origins = read_settings(overrides, config)
    if print_settings:
        _print_settings(settings, origins)
        return
    from service.commands import serve as command

    command.serve(settings, announce=typer.echo)


def generate(
    out: Annotated[
        Path, typer.Option(help="Where to write; the suffix decides: .png .webp .jpg, .wav .flac .ogg, or .npy.")
    ] = Path("out.png"),
    url: Annotated[str, typer.Option(help="The server.", envvar=URL)] = USUAL_URL,
    api_key: Annotated[str | None, typer.Option(help="Shown to the server.", envvar=API_KEY)] = None,
    model: Annotated[str | None, typer.Option(help="Name of the model; else the default of the server.")] = None,
    deadline_ms: Annotated[
        list[float] | None, typer.Option(min=0.001, help="Milliseconds; repeat it to compare.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Decides the sample; random if left out.")] = None,
    label: Annotated[str | None, typer.Option(help="Class to draw, by name or index.")] = None,
    n: Annotated[int, typer.Option(min=1, help="Samples per request.")] = 1,
    scale: Annotated[
        int | None, typer.Option(min=1, help="Enlarge a picture by a whole factor; 8 if left out.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Show it getting better; Ctrl-C takes it as it is.")] = False,
    further: Annotated[
        Path | None, typer.Option("--continue", help="A file written by this command: the same sample, finer.")
    ] = None,
    vary: Annotated[
        Path | None, typer.Option(help="A file written by this command: other samples that begin like it.")
    ] = None,
    keep: Annotated[int, typer.Option(min=0, help="With --vary: how many first codes stay as they are.")] = KEPT,
    pick: Annotated[
        int | None, typer.Option(min=0, help="Which sample of a file that holds several, from 0 on.")
    ] = None,
) -> None:
    r"""Ask a server for a picture or a clip; with several deadlines, for the same picture at each.

    Several deadlines or samples are written side by side into one picture, and listed in a table. In a terminal the
    picture is shown, too. Files carry their codes, so that --continue and --vary can go on from them.

    Examples:
        anytime generate --label sneaker --deadline-ms 50 --seed 7 --out x.png

        anytime generate --label sneaker --out strip.png \
            --deadline-ms 10 --deadline-ms 50 --deadline-ms 2000

        anytime generate --label bag --deadline-ms 500 --watch --out bag.png

        anytime generate --continue x.png --deadline-ms 2000 --out finer.png

        anytime generate --vary x.png --keep 2 --n 8 --out like-it.png

        anytime generate --model spoken-digits --label seven --out seven.wav
    """
    from service.commands import generate as command

    if further is not None and vary is not None:
        raise typer.BadParameter("a sample is continued or varied, not both", param_hint="--continue / --vary")
    source = vary if further is None else further
    wish = command.Wish(model, seed, label, n, scale, source, vary is not None, keep, pick)
    command.generate(wish, deadline_ms or [], out, url=url, api_key=api_key, watch=watch)


def _print_settings(settings: Settings, origins: dict[str, str]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("setting", "value", "from", box=None, pad_edge=False)
    for name, value in settings:
        table.add_row(name, str(value), origins[name])
    Console().print(table)
