"""The servers that are compared, and how each is started and stopped."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
from bench.peers.tuning import BUNDLE, PATH, ROOT, SLOTS, THREADS, Tuning
from msgspec import structs

from models.errors import AnytimeError
from service.bench.target import Target

_HOST = "127.0.0.1"
_START_SECONDS = 120.0
_STOP_SECONDS = 10.0
_POLL_SECONDS = 0.1
_LOG_SHOWN = 2000


@dataclass(frozen=True, slots=True)
class Contender:
    """A server that is compared.

    Attributes:
        name: in the tables.
        arguments: of Python, to start it; the port follows.
        tunings: of a peer, what is worth trying, the best guess first; our own has none and runs as it is shipped.
    """

    name: str
    arguments: tuple[str, ...]
    tunings: tuple[Tuning, ...] = ()

    @property
    def tuning(self) -> Tuning | None:
        """How it is set up when it starts."""
        return self.tunings[0] if self.tunings else None

    def tuned(self, tuning: Tuning) -> Contender:
        """The same server, set up so."""
        return replace(self, tunings=(tuning,))


OURS = Contender(
    "Anytime",
    (
        *("-m", "anytime", "serve", "--bundles", str(BUNDLE), "--device", "cpu"),
        *("--slots", str(SLOTS), "--threads", str(THREADS), "--log-level", "error"),
    ),
)
# From the largest batches and the longest patience, which complete most per second, to small ones that wait for little,
# which leave most of a deadline to the model.
PEERS = (
    Contender(
        "LitServe, batches",
        ("-m", "bench.peers.litserve_batched"),
        (
            Tuning(max_batch=64, wait_ms=5, timeout_ms=200),
            Tuning(max_batch=64, wait_ms=1, timeout_ms=100),
            Tuning(max_batch=32, wait_ms=1, timeout_ms=50),
            Tuning(max_batch=16, wait_ms=1, timeout_ms=20),
            Tuning(max_batch=8, wait_ms=1, timeout_ms=10),
        ),
    ),
    Contender(
        "LitServe, continuous",
        ("-m", "bench.peers.litserve_continuous"),
        (
            Tuning(max_batch=64),
            Tuning(max_batch=32, slack_ms=25),
            Tuning(max_batch=16, slack_ms=25),
            Tuning(max_batch=16, slack_ms=50),
            Tuning(max_batch=8, slack_ms=25),
        ),
    ),
    Contender(
        "mosec",
        ("-m", "bench.peers.mosec_batched"),
        (
            Tuning(max_batch=64, wait_ms=5, timeout_ms=200, queue=1024),
            Tuning(max_batch=64, wait_ms=1, timeout_ms=200, queue=64),
            Tuning(max_batch=32, wait_ms=1, timeout_ms=200, queue=32),
            Tuning(max_batch=16, wait_ms=1, timeout_ms=200, queue=16),
            Tuning(max_batch=8, wait_ms=1, timeout_ms=200, queue=8),
        ),
    ),
)
CONTENDERS = (OURS, *PEERS)


def of_length(contender: Contender, codes: int) -> Contender:
    """A peer whose samples all have so many codes; a name of its own says so."""
    tunings = tuple(structs.replace(each, codes=codes) for each in contender.tunings)
    return replace(contender, name=f"{contender.name}, {codes} codes", tunings=tunings)


@contextmanager
def running(contender: Contender, log: Path) -> Iterator[Target]:
    """Start a server, wait until it answers, and end it and all its processes at the end.

    Args:
        log: file for what it writes.

    Raises:
        AnytimeError: it ends, or does not answer in time; says what it wrote last.
    """
    port = _free_port()
    command = [sys.executable, *contender.arguments, "--port", str(port)]
    variables = contender.tuning.environment() if contender.tuning else {}
    environment = {**os.environ, **variables, "PYTHONPATH": str(ROOT / "tests")}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        _wait_until_ready(contender, process, port, log)
        yield Target(_HOST, port, f"{_HOST}:{port}", "", secure=False)
    finally:
        _stop(process)


def settle(target: Target) -> bool:
    """Wait until a server answers a single request: so until it has done what another load left it to do.

    Returns:
        Whether it did within two minutes.
    """
    limit = time.monotonic() + _START_SECONDS
    with _client(target.authority) as client:
        while not _answers(client):
            if time.monotonic() > limit:
                return False
            time.sleep(_POLL_SECONDS)
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_ready(contender: Contender, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """A server is ready when it answers a real request."""
    limit = time.monotonic() + _START_SECONDS
    with _client(f"{_HOST}:{port}") as client:
        while process.poll() is None and time.monotonic() < limit:
            if _answers(client):
                return
            time.sleep(_POLL_SECONDS)
    said = log.read_text(errors="replace")[-_LOG_SHOWN:]
    raise AnytimeError(f"{contender.name} did not start (status {process.poll()}); it wrote last:\n{said}")


def _client(authority: str) -> httpx.Client:
    return httpx.Client(base_url=f"http://{authority}", trust_env=False)


def _answers(client: httpx.Client) -> bool:
    try:
        answer = client.post(PATH, json={"seed": 0, "deadline_ms": 10_000})
    except httpx.TransportError:
        return False
    return answer.status_code == httpx.codes.OK and bool(answer.content)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """As with Ctrl-C; whatever outlives that, the workers of a server that died among it, is killed."""
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
