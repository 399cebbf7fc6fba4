"""Builds the image where no container engine runs: buildah in a chroot, over a base that debootstrap puts together.

Needs root. Machines that have their packages from a mirror name what a build needs to know of it in
ANYTIME_BUILDAH_OPTIONS, options of `buildah build` such as `--volume /mirror:/mirror:ro`.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BASE = "localhost/anytime-test-base:bookworm"
IMAGE = "localhost/anytime-test:cpu"
_BUILDAH = ("buildah", "--storage-driver", "vfs")
# What Docker's image of Python has, as far as the service needs it.
_PACKAGES = "python3,python3-venv,ca-certificates"


def buildah(*arguments: str | Path) -> str:
    """Run buildah; returns what it prints. Raises AssertionError with its words if it fails."""
    result = subprocess.run([*_BUILDAH, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{result.stdout[-4000:]}\n{result.stderr[-4000:]}"
    return result.stdout.strip()


def build(scratch: Path) -> None:
    """Build the image for CPUs as IMAGE; the base is made once, and found again."""
    known = buildah("images", "--format", "{{.Name}}:{{.Tag}}").splitlines()
    if BASE not in known:
        _make_base(scratch / "base")
    options = shlex.split(os.environ.get("ANYTIME_BUILDAH_OPTIONS", ""))
    buildah(
        *("build", "--isolation", "chroot", "--network", "host", "--format", "docker", "--layers"),
        *("--build-arg", f"BASE={BASE}", *options, "--tag", IMAGE, "."),
    )


def unpack() -> Path:
    """The image's files, in a folder of their own that stays as it is."""
    return Path(buildah("mount", buildah("from", IMAGE)))


def _make_base(folder: Path) -> None:
    include = f"--include={_PACKAGES}"
    subprocess.run(["debootstrap", "--variant=minbase", include, "bookworm", folder], check=True)
    container = buildah("from", "scratch")
    buildah("add", container, folder, "/")
    buildah("commit", "--rm", container, BASE)
