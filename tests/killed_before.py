"""Run `anytime` and kill it, as `kill -9` would, in the instant before a file takes its final name.

    python killed_before.py NAME ARGUMENT...

The worst moment there is: everything has been written, nothing is in place yet.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import anytime


def main() -> None:
    name = sys.argv.pop(1)
    for method in ("replace", "rename"):
        original = getattr(Path, method)

        def fatal(source: Path, target: Path, original: Any = original) -> Path:
            if target.name == name:
                os.kill(os.getpid(), signal.SIGKILL)
            renamed: Path = original(source, target)
            return renamed

        setattr(Path, method, fatal)
    anytime.main()


if __name__ == "__main__":
    main()
