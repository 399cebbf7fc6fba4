"""A cluster of Ray Serve in another process (`bench.ray.cluster`), and its address."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from server_process import ROOT

SLEEPING = ROOT / "tests" / "bench" / "ray" / "sleeping"
_PATIENCE_S = 300
_STOP_S = 60


class RayProcess:
    """The process, told what to do by lines.

    Attributes:
        url: of the proxy.
    """

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self.url = url
        self._process = process

    def tell(self, command: str) -> dict[str, Any]:
        """Have a command carried out; what it says then."""
        assert self._process.stdin is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        return self.said()

    async def told(self, command: str) -> dict[str, Any]:
        """The same without holding up the event loop."""
        return await asyncio.to_thread(self.tell, command)

    def said(self) -> dict[str, Any]:
        """The next line that is meant for us."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("@"):
                said: dict[str, Any] = json.loads(line[1:])
                return said
        raise AssertionError(f"the cluster has ended with status {self._process.wait()}")


@contextlib.contextmanager
def ray_cluster(engines_per_node: list[int], step_s: float, **options: Any) -> Iterator[RayProcess]:
    """A cluster whose model sleeps so many seconds in every step."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    paths = os.pathsep.join(str(each) for each in (SLEEPING, ROOT, ROOT / "tests"))
    arguments = json.dumps({"engines_per_node": engines_per_node, "port": port, **options})
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.ray.cluster", arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": paths, "BENCH_STEP_S": str(step_s)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        cluster = RayProcess(process, f"http://127.0.0.1:{port}")
        cluster.said()
        yield cluster
    finally:
        with contextlib.suppress(BrokenPipeError):
            process.communicate("stop\n", timeout=_STOP_S)
        process.kill()
        process.wait()
