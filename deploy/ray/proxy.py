"""Has Serve's proxies say when each request came, so that what it waits for there is taken off its deadline.

Where the nodes start with `RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH=deploy.ray.proxy:middlewares`.
"""

from __future__ import annotations

from starlette.middleware import Middleware

from service.fleet.stamp import Stamp


def middlewares() -> list[Middleware]:
    """See Ray's `HTTP_PROXY_CALLBACK`."""
    return [Middleware(Stamp)]
