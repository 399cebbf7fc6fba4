"""The rules of the architecture, read off the source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("models", "service", "training")


def modules(folder: str) -> list[Path]:
    found = sorted((ROOT / folder).rglob("*.py"))
    assert found, f"{folder} holds no Python files"
    return found


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, anywhere in it, by its full dotted name."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} uses a relative import, which these rules cannot follow"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def offenders(folder: str, *forbidden: str) -> list[str]:
    return [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules(folder)
        for name in imports(path)
        if any(name == prefix or name.startswith(f"{prefix}.") for prefix in forbidden)
    ]


@pytest.mark.parametrize(
    ("folder", "forbidden"),
    [
        ("models", ("service", "training")),
        ("service", ("training",)),
        ("training", ("service",)),
        ("service/scheduler", ("torch", "asyncio", "time", "datetime", "socket", "service.clock", "numpy", "random")),
        ("service/api", ("torch", "models.runtime", "models.autoencoder", "models.prior", "models.bundle.networks")),
        ("service/pool", ("torch", "models.runtime", "models.bundle.networks")),
        ("service/codec", ("torch", "models.runtime", "models.bundle.networks")),
        ("service/fleet", ("torch", "models.runtime", "models.bundle.networks")),
        ("service", ("ray",)),  # which only those need who have several machines
        (
            "service/encoder",
            ("torch", "models.bundle.networks", "asyncio", "fastapi", "starlette", "prometheus_client"),
        ),
        (
            "service/client",
            ("torch", "pydantic", "pydantic_settings", "fastapi", "starlette", "models.config"),
        ),
        ("service/worker", ("asyncio", "fastapi", "starlette", "prometheus_client")),
        ("service/telemetry", ("asyncio", "fastapi", "starlette", "prometheus_client", "torch")),
    ],
)
def test_who_may_import_whom(folder: str, forbidden: tuple[str, ...]) -> None:
    assert offenders(folder, *forbidden) == []


def test_the_client_uses_nothing_of_the_servers() -> None:
    own = [each for each in offenders("service/client", "service") if " imports service.client" not in each]
    assert {each.partition(" imports ")[2] for each in own} <= {"service.clock.Clock", "service.clock.MonotonicClock"}


@pytest.mark.parametrize(
    ("library", "only"),
    [
        ("pydantic_settings", {"service/settings.py"}),
        ("prometheus_client", {"service/metrics.py", "service/collectors.py"}),
        ("opentelemetry", {"service/telemetry/otlp.py", "service/client/tracing.py"}),
        ("pickle", set()),
        ("torchvision", set()),
        ("torchaudio", set()),
    ],
)
def test_what_one_module_keeps_to_itself(library: str, only: set[str]) -> None:
    users = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in modules(package)
        for name in imports(path)
        if name.split(".")[0] == library
    }
    assert users == only


def test_metrics_are_named_in_one_module() -> None:
    """The collectors, which count, know no names."""
    named = {
        path.relative_to(ROOT).as_posix()
        for path in modules("service")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", "") in {"Counter", "Gauge", "Summary", "Histogram", "Phases", "Info", "Enum"}
        and node.args
        and isinstance(node.args[0], ast.Constant | ast.JoinedStr)
    }
    assert named == {"service/metrics.py"}


def test_what_crosses_a_process_boundary_is_defined_in_one_module() -> None:
    """The modules on either side of the boundary define no structs; only they touch the transport."""
    definers = [
        f"{path.relative_to(ROOT).as_posix()}:{node.lineno}"
        for folder in (
            "service/pool",
            "service/worker",
            "service/codec",
            "service/encoder",
            "service/fleet",
            "service/scheduler",
        )
        for path in modules(folder)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef) and any("Struct" in ast.unparse(base) for base in node.bases)
    ]
    assert definers == []
    users = {
        path.relative_to(ROOT).parts[:2]
        for path in modules("service")
        if any(name.startswith("service.wire") for name in imports(path))
    }
    assert users == {("service", "pool"), ("service", "worker")}


def test_only_settings_reads_the_environment() -> None:
    readers = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in modules(package)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and ast.unparse(node) in {"os.environ.get", "os.getenv"}
    }
    # Launchers tell the processes that they start who they are in the environment, and people tell a client its server.
    assert readers <= {"service/settings.py", "training/processes.py", "service/client/environment.py"}


def test_torch_never_unpickles() -> None:
    """Three modules read a file that comes so from its publisher, by the reader that runs nothing."""
    mentions, restricted = list[str](), list[str]()
    for package in PACKAGES:
        for path in modules(package):
            name = path.relative_to(ROOT).as_posix()
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Attribute) and ast.unparse(node) in {"torch.load", "torch.save"}:
                    mentions.append(name)
                if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
                    options = {option.arg: ast.unparse(option.value) for option in node.keywords}
                    restricted += [name] * (options.get("weights_only") == "True")
    assert sorted(mentions) == sorted(restricted)
    assert sorted(mentions) == [
        "training/evaluation/audio/voice.py",
        "training/evaluation/features/imagenet.py",
        "training/evaluation/features/inception.py",
    ]
