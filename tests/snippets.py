"""What the documentation tells people to type, run as written against a server of the test's own."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from server_process import ServerProcess


def run(server: ServerProcess, folder: Path, program: list[str], text: str) -> str:
    """Run a snippet in a folder of its own, with the server's address in the place of the usual one; what it prints."""
    text = text.replace("localhost:8000", server.url.removeprefix("http://"))
    result = subprocess.run([*program, text], cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def commands(page: str, start: str) -> list[str]:
    """Indented shell commands of a page that begin so, with their continuation lines."""
    blocks = re.findall(r"^    (\S.*(?:\n        .*)*)", page, re.MULTILINE)
    return [block for block in blocks if block.startswith(start)]


def programs(page: str) -> list[str]:
    """A page's blocks of Python."""
    return re.findall(r"```python\n(.*?)```", page, re.DOTALL)


def patient(text: str) -> str:
    """With a hundred times the deadlines: a machine that was taken away for a moment would refuse the short ones."""
    return re.sub(r"((?:deadline[-_]ms|timeout)\W+)([\d_]+)", r"\g<1>\g<2>00", text)
