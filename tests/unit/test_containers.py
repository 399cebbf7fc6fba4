"""What the files for containers refer to is there: neither an engine nor a network is needed to see that."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from service.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
STAGES = re.findall(r"^FROM \S+ AS (\S+)$", DOCKERFILE, re.MULTILINE)


def test_the_services_are_built_from_stages_that_there_are() -> None:
    targets = {name: each["build"]["target"] for name, each in SERVICES.items() if "build" in each}
    assert targets == {"anytime": "cpu", "anytime-gpu": "cuda"}
    assert set(targets.values()) <= set(STAGES)
    assert STAGES[-1] == "cpu", "what is built without --target"


def test_every_file_that_is_mounted_is_there() -> None:
    mounts = [mount for each in SERVICES.values() for mount in each["volumes"]]
    sources = [re.sub(r"^\$\{\w+:-(.*?)\}", r"\1", mount).partition(":")[0] for mount in mounts]
    files = [source for source in sources if source.startswith(".")]
    assert len(files) >= 4
    assert [source for source in files if not (ROOT / source).exists()] == []
    assert {source for source in sources if not source.startswith(".")} <= set(COMPOSE["volumes"])


def test_ports_are_published_to_this_machine_only() -> None:
    ports = [port for each in SERVICES.values() for port in each["ports"]]
    assert len(ports) == len(SERVICES)
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_environments_name_settings_that_there_are() -> None:
    named = set(re.findall(r"\bANYTIME_(\w+)=", DOCKERFILE))
    for service in ("anytime", "anytime-gpu"):
        named |= {name.removeprefix("ANYTIME_") for name in SERVICES[service]["environment"]}
    assert {"HOST", "PORT"} <= named
    assert {name.lower() for name in named} <= set(Settings.model_fields)


def test_a_profile_adds_the_gpu_and_nothing_else() -> None:
    assert {name for name, each in SERVICES.items() if each.get("profiles")} == {"anytime-gpu"}


def test_the_image_ignores_what_it_does_not_need_and_has_what_it_copies() -> None:
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert [path for path in kept if not (ROOT / path).exists()] == []
    copied = re.search(r"^COPY (?!--from)(.+) \./$", DOCKERFILE, re.MULTILINE)
    assert copied
    assert set(copied[1].split()) <= set(kept)


def test_an_image_for_cpus_leaves_out_what_only_gpus_use() -> None:
    script = ROOT / "deploy/container/requirements.py"
    everything, less = (
        subprocess.run([sys.executable, script, *flags], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for flags in ([], ["--cpu"])
    )
    left_out = set(everything.splitlines()) - set(less.splitlines())
    assert set(less.splitlines()) < set(everything.splitlines())
    assert {re.split(r"[^\w-]", line)[0] for line in left_out} == {"onnxruntime", "onnxruntime-gpu"}
