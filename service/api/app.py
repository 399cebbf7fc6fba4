"""The app factory: one FastAPI app over one pool."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from service.access.watch import KeyWatch
from service.api import decode, encode, generate, health, models, openapi, playground, stream, swagger
from service.api.arrival import ENCODE_PATH, ArrivalMiddleware, exchange_of
from service.api.endpoints import Endpoints
from service.api.inference import infer
from service.api.inference import models as inference_models
from service.api.inference import server as inference_server
from service.api.openai import images
from service.api.server import Server
from service.codec import Codec
from service.errors import ServiceError
from service.log_lines import for_people, human_lines
from service.metrics import Metrics, package_version
from service.pool import AnyPool, Pool
from service.settings import Settings
from service.telemetry.launch import start_tracing

_ROUTERS = (
    generate.router,
    decode.router,
    encode.router,
    stream.router,
    models.router,
    images.router,
    infer.router,
    inference_models.router,
    inference_server.router,
    health.router,
    playground.router,
    swagger.router,
)
_FLUSH_S = 1.0
_ENDPOINTS = {
    generate.GENERATE_PATH: generate.generate,
    decode.DECODE_PATH: decode.decode,
    ENCODE_PATH: encode.encode,
    images.IMAGES_PATH: images.generate_images,
    infer.INFER_PATH: infer.infer,
    infer.INFER_VERSION_PATH: infer.infer,
}


def create_app(
    settings: Settings, pool: AnyPool | None = None, metrics: Metrics | None = None, codec: Codec | None = None
) -> FastAPI:
    """An app that starts its pool with its lifespan and drains it at the end.

    Args:
        pool, codec: instead of those made from the settings; then `metrics` should be what they report to.

    Raises:
        SettingsError: the file of keys cannot be read. Its lifespan raises one, too: spans cannot be exported.
    """
    metrics = metrics or Metrics()
    pool = pool or Pool(settings, metrics)
    codec = codec or Codec(settings, metrics, pool.clock, lambda: _encoding(pool))
    server = Server(settings, pool, metrics, pool.clock, codec)
    if for_people(settings.log_format):
        server.log.write = human_lines
    metrics.front(lambda: server.ready, lambda: server.pending)
    if settings.keys is not None:
        server.keys = KeyWatch(settings.keys, server.clients.replace_keys)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with server.keys.followed() if server.keys else nullcontext(), _traced(server):
            await pool.start()
            metrics.models(pool.manifests)
            pool.on_change(lambda: metrics.models(pool.manifests))
            codec.open()
            pool.on_change(codec.changed)
            try:
                yield
            finally:
                await server.drain()
                server.log.flush()

    app = openapi.DocumentedApp(
        title=openapi.TITLE,
        description=openapi.DESCRIPTION,
        version=package_version(),
        lifespan=lifespan,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
    )
    app.keyed = settings.keys is not None
    app.state.server = server
    for router in _ROUTERS:
        app.include_router(router)
    for kind in (ServiceError, HTTPException, Exception):
        app.add_exception_handler(kind, _refusal)
    app.entrance = ArrivalMiddleware(app.layers, Endpoints(_ENDPOINTS), server)
    return app


@asynccontextmanager
async def _traced(server: Server) -> AsyncIterator[None]:
    """Export spans, if that is wanted, until all that has ended meanwhile is sent or a second has gone by."""
    server.tracer = start_tracing(server.settings, server.metrics)
    try:
        yield
    finally:
        if server.tracer is not None:
            await asyncio.to_thread(server.tracer.close, _FLUSH_S)


def _encoding(pool: AnyPool) -> dict[str, Path]:
    """The folders of the models that the encoder has a use for, by identity."""
    encode = {manifest.identity for manifest in pool.manifests.values() if manifest.encodes}
    return {identity: path for identity, path in pool.paths.items() if identity in encode}


async def _refusal(request: Request, error: Exception) -> Response:
    return exchange_of(request).refuse(error, request.scope)
