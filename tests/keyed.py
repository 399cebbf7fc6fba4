"""Keys for tests: a file with some, and the headers that send one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.routing import BaseRoute

from service.access.keyfile import add_key
from service.access.keys import key_headers


class KeyFile:
    """A file of keys, and the keys themselves, which only a test keeps."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "keys.toml"
        self.keys: dict[str, str] = {}

    def add(self, name: str, **limits: Any) -> str:
        self.keys[name] = add_key(self.path, name, limits)
        return self.keys[name]

    def headers(self, name: str) -> dict[str, str]:
        return key_headers(self.keys[name])


def routes_of(app: FastAPI) -> list[tuple[str, set[str]]]:
    """Every path of an app and its methods, those included that no document names; of websockets, no methods."""
    found = list(_walk(app.routes))
    assert {path for path, _ in found} >= set(app.openapi()["paths"]), "the walk has lost its way"
    return [(path.replace("{name}", "tiny").replace("{version}", "1"), methods) for path, methods in found]


def _walk(routes: Sequence[BaseRoute]) -> Iterator[tuple[str, set[str]]]:
    for route in routes:
        router = getattr(route, "original_router", None)  # what FastAPI makes of an included router
        if router is not None:
            yield from _walk(router.routes)
            continue
        path: str = route.path  # type: ignore[attr-defined]
        if getattr(route, "routes", None) is not None:  # mounted: whatever is below it
            yield f"{path}/anything", {"GET"}
        else:
            yield path, set(getattr(route, "methods", None) or ())
