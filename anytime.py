"""The clients, to be imported, and the command line: `anytime COMMAND`. Each package registers its own commands.

    from anytime import AnytimeClient, AsyncAnytimeClient

Both are made when they are asked for: a program that wants a client needs nothing of the commands, nor they of it.
"""

from __future__ import annotations

import functools
import importlib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import typer

    from service.client import (
        Answer,
        AnytimeClient,
        AsyncAnytimeClient,
        ClientError,
        DeadlineInfeasible,
        InvalidRequest,
        Overloaded,
        Preview,
        Refused,
        Unreachable,
        read_sample,
    )

    app: typer.Typer

__all__ = [
    "Answer",
    "AnytimeClient",
    "AsyncAnytimeClient",
    "ClientError",
    "DeadlineInfeasible",
    "InvalidRequest",
    "Overloaded",
    "Preview",
    "Refused",
    "Unreachable",
    "read_sample",
]


@functools.cache
def command_line() -> typer.Typer:
    """All commands."""
    import typer

    import models.cli
    import service.cli
    import training.cli

    commands = typer.Typer(
        name="anytime",
        help="Generative models with anytime budgets: train them, look into them, serve them.",
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
    """What is here and is made when it is asked for."""
    if name == "app":
        return command_line()
    if name in __all__:
        return getattr(importlib.import_module("service.client"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


if __name__ == "__main__":
    main()
