"""A server whose every line of output finds the disk full: it serves, and ends as it should."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import httpx
from server_process import COMMAND, ROOT

PATIENCE_S = 60


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def wait_until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + PATIENCE_S
    while True:
        assert process.poll() is None, f"it ended with status {process.returncode}"
        assert time.monotonic() < end
        try:
            if httpx.get(f"{url}/readyz").status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            time.sleep(0.05)


def test_a_full_disk_stops_nothing(tiny_bundle: Path, tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    # A folder that costs can be recorded in, but whose file cannot be written: it is one itself.
    costs = tmp_path / "costs"
    (costs / "tiny@1-0.json").mkdir(parents=True)
    options = ("--port", str(port), "--bundles", str(tiny_bundle), "--record-costs", str(costs), "--log-level", "debug")
    with Path("/dev/full").open("wb") as full:
        process = subprocess.Popen(
            [*COMMAND, "serve", *options], cwd=ROOT, stdout=full, stderr=full, env=dict(os.environ)
        )
    try:
        wait_until_ready(url, process)
        for seed in range(40):
            answer = httpx.post(f"{url}/v1/generate", json={"deadline_ms": 5000, "seed": seed})
            assert answer.status_code == httpx.codes.OK
        time.sleep(0.3)  # the request log writes a tenth of a second late
        assert httpx.get(f"{url}/readyz").status_code == httpx.codes.OK
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
    finally:
        process.kill()
        process.wait()
