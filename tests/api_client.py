"""An app over a pool without workers, and a client that talks to it without a network."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fake_encoder import FakeEncoders
from fake_pool import FakePool, app_over
from prometheus_client.parser import text_string_to_metric_families

from service.codec import Codec
from service.metrics import Metrics
from service.settings import Settings

SETTINGS = Settings(
    max_samples=8, max_scale=4, max_body_bytes=2048, max_media_bytes=4096, max_deadline_ms=5000, default_deadline_ms=700
)
TYPE = "urn:anytime:problem:"


@asynccontextmanager
async def api_client(
    pool: FakePool, encoders: FakeEncoders | None = None, settings: Settings = SETTINGS, **others: object
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an app with small limits (`SETTINGS`), but for others by name."""
    settings = settings.model_copy(update=others)
    metrics = Metrics()
    codec = Codec(settings, metrics, pool.clock, lambda: pool.paths, encoders.start) if encoders else None
    app = app_over(pool, settings, metrics, codec)
    transport = httpx.ASGITransport(app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://test") as each:
        yield each


async def counted(client: httpx.AsyncClient, name: str = "anytime_requests_total") -> dict[tuple[str, ...], float]:
    """The non-zero samples of a counter, by label values."""
    families = text_string_to_metric_families((await client.get("/metrics")).text)
    return {
        tuple(sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
        if sample.name == name and sample.value
    }
