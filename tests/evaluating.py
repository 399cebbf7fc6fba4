"""`anytime evaluate`, as tests run it."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

import anytime


def evaluate_command(bundle: Path, data: Path, report: Path, *options: str) -> str:
    """What it prints; what it raises is raised."""
    arguments = [str(bundle), "--data", str(data), "--report", str(report), *options]
    return CliRunner().invoke(anytime.app, ["evaluate", *arguments], catch_exceptions=False).output
