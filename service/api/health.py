"""Liveness, readiness and metrics."""

from __future__ import annotations

from typing import Literal

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from service.api.documents import json_response, problem_responses
from service.api.problems import NotReady
from service.api.server import Server, server_of
from service.errors import Draining
from service.metrics import CONTENT_TYPE

router = APIRouter(tags=["health"])


class Health(msgspec.Struct):
    """What a probe is told when all is well."""

    status: Literal["alive", "ready"]


def check_ready(server: Server) -> None:
    """Raise Draining or NotReady unless requests are taken."""
    if server.draining:
        raise Draining("The server is shutting down.")
    if not server.ready:
        raise NotReady("No worker is ready.")


@router.get(
    "/livez",
    summary="Whether the server runs",
    operation_id="livez",
    response_class=Response,
    responses={
        200: json_response("The server runs.", "Health", example={"status": "alive"}),
        **problem_responses(guarded=False),
    },
)
async def livez() -> Response:
    """Answers as long as the server runs, also while it starts or drains."""
    return Response(msgspec.json.encode(Health("alive")), media_type="application/json")


@router.get(
    "/readyz",
    summary="Whether requests are taken",
    operation_id="readyz",
    response_class=Response,
    responses={
        200: json_response("Requests are taken.", "Health", example={"status": "ready"}),
        **problem_responses(503, guarded=False),
    },
)
async def readyz(request: Request) -> Response:
    """503 until a worker is ready, and from the moment that the server begins to shut down."""
    check_ready(server_of(request))
    return Response(msgspec.json.encode(Health("ready")), media_type="application/json")


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    operation_id="metrics",
    response_class=Response,
    responses={
        200: {"description": "Prometheus' text format.", "content": {"text/plain": {"schema": {"type": "string"}}}},
        **problem_responses(),
    },
)
async def metrics(request: Request) -> Response:
    """Every metric of the service, in Prometheus' text format."""
    server = server_of(request)
    server.metrics.bundles(bundle.state for bundle in server.pool.bundles)
    return Response(server.metrics.exposition(), headers={"Content-Type": CONTENT_TYPE})
