"""`anytime generate --watch` against a real server: Ctrl-C takes the picture as it is; in a terminal it is drawn."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from real_pool import LONG, write_bundles
from server_process import COMMAND, ROOT, ServerProcess, running_server

from service.client.metadata import read_sample

HALF = "\u2580"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("server")
    with running_server(write_bundles(folder), folder) as each:
        yield each


def command(server: ServerProcess, out: Path) -> list[str]:
    """Ask for what takes long, with much time."""
    options = ("--model", "long", "--deadline-ms", "50000", "--label", "star", "--watch")
    return [*COMMAND, "generate", "--url", server.url, *options, "--out", str(out)]


def test_ctrl_c_takes_it_as_it_is(server: ServerProcess, tmp_path: Path) -> None:
    out = tmp_path / "x.png"
    process = subprocess.Popen(command(server, out), cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0
    assert f"/{LONG} codes, quality " in first
    assert "client_stop" in rest
    sample = read_sample(out)
    assert sample.stop_reason == "client_stop"
    assert 0 < len(sample.codes) < LONG


def test_a_terminal_is_drawn_in(server: ServerProcess, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    variables = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", "COLUMNS": "60"}
    for name in ("KITTY_WINDOW_ID", "TERM_PROGRAM", "LC_TERMINAL", "NO_COLOR", "TMUX", "STY"):
        variables.pop(name, None)
    process = subprocess.Popen(command(server, tmp_path / "x.png"), cwd=ROOT, env=variables, stdout=theirs)
    os.close(theirs)
    try:
        written = read_until(ours, "quality ")
        process.send_signal(signal.SIGINT)
        written += read_until(ours, None)
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        os.close(ours)
    drawn, _, shown = written.rpartition("\x1b[?25h")  # what is drawn on the way ends with the cursor's return
    assert "Ctrl-C takes it as it is" in drawn
    assert HALF in drawn
    assert shown.count(HALF) == 8 * 8 // 2
    assert "client_stop" in shown


def read_until(terminal: int, text: str | None) -> str:
    """What a program writes to its terminal, until it has written something, or its end."""
    found = b""
    while text is None or text.encode() not in found:
        try:
            part = os.read(terminal, 1 << 16)
        except OSError:  # nobody has the other side open any longer
            part = b""
        if not part:
            assert text is None, found
            break
        found += part
    return found.decode()
