"""Which endpoint answers a request for samples: found by method and path, past all layers of the app.

Those layers take a quarter of what this process spends on a request, and do nothing for it that is not done at the
entrance. The routes stay declared: for the document, and for methods that they do not take.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import compile_path

Endpoint = Callable[[Request], Awaitable[Response]]


class Match(NamedTuple):
    """The endpoint of a path, the template that the path matched, and what stood for its parameters."""

    endpoint: Endpoint
    template: str
    parameters: dict[str, str]


class Endpoints:
    """Endpoints by the templates of their paths.

    Args:
        endpoints: a template may have parameters, as `/v2/models/{name}/infer`.
    """

    def __init__(self, endpoints: Mapping[str, Endpoint]) -> None:
        self._exact: dict[str, Match] = {}
        self._patterns: list[tuple[re.Pattern[str], Endpoint, str]] = []
        for template, endpoint in endpoints.items():
            if "{" in template:
                self._patterns.append((compile_path(template)[0], endpoint, template))
            else:
                self._exact[template] = Match(endpoint, template, {})

    def find(self, method: str, path: str) -> Match | None:
        """What answers this request, if it asks for samples."""
        if method != "POST":
            return None
        if match := self._exact.get(path):
            return match
        for pattern, endpoint, template in self._patterns:
            if found := pattern.match(path):
                return Match(endpoint, template, found.groupdict())
        return None
