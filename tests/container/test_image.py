"""The image for CPUs, built and run: `make test-container`. Not in `make test`, since it takes root and minutes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from container.builder import IMAGE, ROOT, build, buildah, unpack

pytestmark = pytest.mark.container
START_SECONDS = 60

# A process and mount namespace of its own, the image's files for root and not to be written, no capabilities.
_ENTER = """
set -eu
mount --make-rprivate /
mount --bind "$ROOTFS" "$ROOTFS"
mount -o remount,bind,ro "$ROOTFS"
mount -t proc proc "$ROOTFS/proc"
mount --bind /dev "$ROOTFS/dev"
exec chroot --userspec="$RUN_AS" --groups= "$ROOTFS" "$@"
"""


@pytest.fixture(scope="session")
def rootfs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    build(tmp_path_factory.mktemp("image"))
    return unpack()


@pytest.fixture(scope="session")
def config(rootfs: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(buildah("inspect", "--type", "image", IMAGE))["Docker"]["config"]
    return found


def inside(rootfs: Path, config: dict[str, Any], command: list[str], **environment: str) -> list[str]:
    """A command that runs another one as a container of the image would, in the host's network."""
    given = [*config["Env"], *(f"{name}={value}" for name, value in environment.items())]
    entered = ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "env", "-i", *given]
    return [*entered, f"ROOTFS={rootfs}", f"RUN_AS={config['User']}", "/bin/sh", "-c", _ENTER, "sh", *command]


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


class Container:
    """A running container, whose output is read on the side."""

    def __init__(self, rootfs: Path, config: dict[str, Any]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.environment = {"ANYTIME_PORT": str(self.port), "ANYTIME_HOST": "127.0.0.1"}
        command = [*config["Entrypoint"], *config["Cmd"]]
        self.process = subprocess.Popen(
            inside(rootfs, config, command, **self.environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self.is_ready = threading.Event()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(line)
            if line.startswith("ready on"):
                self.is_ready.set()

    @property
    def pids(self) -> list[int]:
        """The container's processes, as the host numbers them."""
        found = children_of(self.process.pid)
        for pid in found:
            found += children_of(pid)
        return found

    def end(self) -> int:
        """SIGTERM to the first process, as engines send it; returns its exit status."""
        (first,) = children_of(self.process.pid)
        os.kill(first, signal.SIGTERM)
        return self.process.wait(timeout=30)

    def kill(self) -> None:
        """End it in any case: the others of its namespace end with its first process, and so does their output."""
        for first in children_of(self.process.pid) if self.process.poll() is None else ():
            os.kill(first, signal.SIGKILL)
        with self.process:
            self.reader.join()


@pytest.fixture
def container(rootfs: Path, config: dict[str, Any]) -> Iterator[Container]:
    running = Container(rootfs, config)
    try:
        assert running.is_ready.wait(START_SECONDS), "".join(running.lines)
        yield running
    finally:
        running.kill()


def test_it_answers_as_nobody_and_writes_nothing(container: Container) -> None:
    body = {"deadline_ms": 2000, "label": "sneaker", "seed": 7}
    response = httpx.post(
        f"http://127.0.0.1:{container.port}/v1/generate", json=body, headers={"Accept": "image/png"}, timeout=10
    )
    assert (response.status_code, response.content[:4]) == (200, b"\x89PNG")
    uids = {Path(f"/proc/{pid}").stat().st_uid for pid in container.pids}
    assert len(container.pids) >= 2
    assert uids == {10001}
    capabilities = {
        line.split()[1]
        for pid in container.pids
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        if line.startswith("CapEff")
    }
    assert capabilities == {"0" * 16}


def test_a_stop_is_clean(container: Container) -> None:
    assert container.end() == 0


def test_health_says_whether_it_is_ready(container: Container, rootfs: Path, config: dict[str, Any]) -> None:
    kind, *command = config["Healthcheck"]["Test"]
    assert kind == "CMD"
    probe = inside(rootfs, config, command, **container.environment)
    assert subprocess.run(probe, capture_output=True, check=False).returncode == 0
    assert container.end() == 0
    assert subprocess.run(probe, capture_output=True, check=False).returncode != 0


def test_nothing_can_be_written(rootfs: Path, config: dict[str, Any]) -> None:
    folders = "/ /tmp /opt/anytime /var/tmp"
    script = f"for folder in {folders}; do if touch $folder/x 2>/dev/null; then echo $folder; fi; done"
    result = subprocess.run(inside(rootfs, config, ["sh", "-c", script]), capture_output=True, text=True, check=True)
    assert result.stdout == ""


def test_what_was_needed_to_build_is_left_behind(rootfs: Path) -> None:
    assert not (rootfs / "source").exists()
    assert not any((rootfs / "usr/bin").glob("*g++*"))
    assert not list((rootfs / "root").glob(".cache/*"))
    assert list(rootfs.glob("opt/anytime/lib/python3*/site-packages/models/native/*.so")), "no native executor"


def test_the_versions_are_those_of_the_constraints(rootfs: Path, config: dict[str, Any]) -> None:
    freeze = inside(rootfs, config, ["python", "-m", "pip", "freeze"])
    installed = versions(subprocess.run(freeze, capture_output=True, text=True, check=True).stdout)
    pinned = versions((ROOT / "constraints.txt").read_text())
    assert len(installed) > 20
    assert {name: version for name, version in installed.items() if version != pinned.get(name)} == {}


def versions(requirements: str) -> dict[str, str]:
    """Pinned versions by name, as pip compares names; a build's own mark, like +cpu, is no version."""
    pairs = (line.partition("==") for line in requirements.splitlines() if "==" in line and not line.startswith("#"))
    return {name.lower().replace("_", "-"): version.partition("+")[0] for name, _, version in pairs}
