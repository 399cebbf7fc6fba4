"""`anytime serve` as a process of its own, on a free port."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMMAND = (sys.executable, "-m", "anytime")


@dataclass
class ServerProcess:
    """A running server over a bundle, or a folder of bundles. `log` is what it wrote to stderr."""

    process: subprocess.Popen[str]
    url: str
    ready_line: str
    log_file: Path
    bundles: Path

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    def terminate(self, number: int = signal.SIGTERM) -> int:
        """Ask the server to stop; returns its exit status."""
        self.process.send_signal(number)
        return self.process.wait(timeout=30)


@contextmanager
def running_server(bundles: Path, folder: Path, *options: str) -> Iterator[ServerProcess]:
    """Start a server on the bundles and wait until it says that it is ready; kill it at the end if it still runs."""
    log_file = folder / "server.log"
    command = [*COMMAND, "serve", "--port", "0", "--device", "cpu", "--bundles", str(bundles), *options]
    with log_file.open("w") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True, env=dict(os.environ)
        )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line.startswith("ready on http://"), f"{line!r} and in the log:\n{log_file.read_text()}"
        yield ServerProcess(process, line.split()[2], line.strip(), log_file, bundles)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stdout.close()
