"""The clients, to be imported, and the command line: `anytime COMMAND`. Each package registers its own commands.

    from anytime import AnytimeClient, AsyncAnytimeClient

What is here is made when it is asked for: a program that wants a client loads nothing of the commands, nor they of it.
"""

from __future__ import annotations

import functools
import importlib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import typer

    from service.client.asynchronous import AsyncAnytimeClient, AsyncStream
    from service.client.budget import Retries
    from service.client.errors import (
        Cancelled,
        ClientError,
        DeadlineInfeasible,
        InvalidRequest,
        ModelNotFound,
        NotUnderstood,
        Overloaded,
        Refused,
        SampleFileError,
        ServerFailed,
        TimedOut,
        TooManyRequests,
        TryLater,
        Unauthorised,
        Unreachable,
    )
    from service.client.metadata import read_sample, read_samples
    from service.client.samples import Answer, Model, Output, Preview, Sample
    from service.client.sync import AnytimeClient, Stream

    app: typer.Typer

__all__ = [
    "Answer",
    "AnytimeClient",
    "AsyncAnytimeClient",
    "AsyncStream",
    "Cancelled",
    "ClientError",
    "DeadlineInfeasible",
    "InvalidRequest",
    "Model",
    "ModelNotFound",
    "NotUnderstood",
    "Output",
    "Overloaded",
    "Preview",
    "Refused",
    "Retries",
    "Sample",
    "SampleFileError",
    "ServerFailed",
    "Stream",
    "TimedOut",
    "TooManyRequests",
    "TryLater",
    "Unauthorised",
    "Unreachable",
    "read_sample",
    "read_samples",
]
_MODULES = ("errors", "samples", "budget", "metadata", "sync", "asynchronous")  # of the client, the lightest first

_HELP = """Generative models with anytime budgets: train them, look into them, serve them.

Examples:
    anytime serve

    anytime generate --label sneaker --deadline-ms 50 --out sneaker.png

    anytime train smoke --data ~/data/fashion-mnist --out runs/smoke

    anytime generate --help
"""


@functools.cache
def command_line() -> typer.Typer:
    """All commands."""
    import typer

    import models.cli
    import service.cli
    import training.cli

    commands = typer.Typer(
        name="anytime",
        help=_HELP,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
    )
    for package in (service.cli, models.cli, training.cli):
        package.register(commands)
    return commands


def main() -> None:
    """Run a command; an error that explains itself becomes one sentence on stderr and exit status 1."""
    from models.errors import AnytimeError

    try:
        command_line()(prog_name="anytime")
    except AnytimeError as error:
        sys.stderr.write(f"anytime: {error}\n")
        sys.exit(1)


def __getattr__(name: str) -> object:
    """What is here, made now that it is asked for."""
    if name == "app":
        return command_line()
    if name in __all__:
        for module in _MODULES:
            found = getattr(importlib.import_module(f"service.client.{module}"), name, None)
            if found is not None:
                return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


if __name__ == "__main__":
    main()
