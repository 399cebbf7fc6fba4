"""Print what the service needs, a requirement a line, for an image's layer that changes only when this does.

What exports spans is among it, so that an image needs nothing but a setting for that.

With --cpu without ONNX Runtime, which computes nothing on a CPU that the native executor does not compute faster.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

LEFT_OUT = ("onnxruntime",)


def main() -> None:
    """Read pyproject.toml of the working directory."""
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    for requirement in (*project["dependencies"], *project["optional-dependencies"]["telemetry"]):
        if "--cpu" not in sys.argv or not requirement.startswith(LEFT_OUT):
            sys.stdout.write(f"{requirement}\n")


if __name__ == "__main__":
    main()
