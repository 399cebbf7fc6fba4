"""The command line: `anytime COMMAND`. Each package registers its own commands."""

from __future__ import annotations

import sys

import typer

import models.cli
import service.cli
import training.cli
from models.errors import AnytimeError

app = typer.Typer(
    name="anytime",
    help="Generative models with anytime budgets: train them, look into them, serve them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for package in (service.cli, models.cli, training.cli):
    package.register(app)


def main() -> None:
    """Run a command; an error that explains itself becomes one sentence on stderr and exit status 1."""
    try:
        app()
    except AnytimeError as error:
        sys.stderr.write(f"anytime: {error}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
