"""A server of our own to measure, and what its processes take of the processor."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from models.errors import AnytimeError

_READY = "ready on "
_PATIENCE_SECONDS = 30.0
_LAST_CHARACTERS = 400


@dataclass(frozen=True, slots=True)
class Launched:
    """A running server; `pid` is its API process's."""

    url: str
    pid: int


@contextmanager
def null_server(bundles: Path, profile: Path | None = None) -> Generator[Launched, None, None]:
    """A server whose models compute nothing, on a free port of this machine; it is ended with the context.

    Args:
        bundles: a bundle, or a folder of bundles: what the models look like from outside.
        profile: where cProfile writes what the API process did, once it has ended.

    Raises:
        AnytimeError: it did not start, or did not end.
    """
    profiler = () if profile is None else ("-m", "cProfile", "-o", str(profile))
    options = ("--port", "0", "--device", "cpu", "--executor", "null", "--bundles", str(bundles))
    with tempfile.TemporaryFile("w+") as log:
        command = [sys.executable, *profiler, "-m", "anytime", "serve", *options]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)  # noqa: S603  our own program
        assert process.stdout is not None  # noqa: S101  it was asked for
        with process.stdout:
            try:
                line = process.stdout.readline()
                if not line.startswith(_READY):
                    process.wait(_PATIENCE_SECONDS)
                    raise AnytimeError(f"the server to be measured did not start: {_end_of(log.fileno())}")
                yield Launched(line.removeprefix(_READY).split()[0], process.pid)
                process.send_signal(signal.SIGTERM)
                process.wait(_PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                raise AnytimeError("the server that was measured did not end when it was told to") from None
            finally:
                process.kill()
                process.wait()


def cpu_seconds(pid: int) -> float:
    """Processor time that a process of this machine has had, as well as Linux knows it; 0 where nobody does."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def children(pid: int) -> list[int]:
    """The processes that a process of this machine has started and that still run, as well as Linux knows them."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()]
    except OSError:
        return []


def _end_of(log: int) -> str:
    size = os.fstat(log).st_size
    said = os.pread(log, _LAST_CHARACTERS, max(size - _LAST_CHARACTERS, 0)).decode(errors="replace")
    return " ".join(said.split()) or "it said nothing"
