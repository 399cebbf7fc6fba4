"""What the server is, whether it is ready, and which models it has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from service.api.documents import json_response, reference
from service.api.health import check_ready
from service.api.inference.documents import inference_errors
from service.api.negotiation import JSON
from service.api.problems import UnsupportedMediaType
from service.api.reading import body_type, read_body
from service.api.server import Server, server_of
from service.errors import Malformed
from service.metrics import package_version

router = APIRouter(prefix="/v2", tags=["inference protocol"])
_STATES = {"loading": "LOADING", "failed": "UNAVAILABLE", "unloading": "UNLOADING"}
EXTENSIONS = ("binary_tensor_data", "model_configuration", "model_repository", "schedule_policy")


class ServerMetadata(msgspec.Struct):
    """The server, and which of Triton's extensions it speaks; of `model_repository` only the index."""

    name: str
    version: str
    extensions: list[str]


class Live(msgspec.Struct):
    """That the server runs."""

    live: bool


class Ready(msgspec.Struct):
    """That requests are taken."""

    ready: bool


class IndexRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Which models to list: all, or only those that are ready."""

    ready: bool = False


class IndexEntry(msgspec.Struct):
    """One model of the repository."""

    name: str
    version: str
    state: str
    reason: str = ""


def _document(description: str, schema: str, *statuses: int, guarded: bool = True) -> dict[str, Any]:
    return {
        "response_class": Response,
        "responses": {200: json_response(description, schema), **inference_errors(*statuses, guarded=guarded)},
    }


_INDEX: dict[str, Any] = {
    "description": "The models.",
    "content": {JSON: {"schema": {"type": "array", "items": reference("IndexEntry")}}},
}


def _response(answer: object) -> Response:
    return Response(msgspec.json.encode(answer), media_type=JSON)


@router.get(
    "", summary="What this server is", operation_id="server_metadata", **_document("The server.", "ServerMetadata")
)
async def server_metadata() -> Response:
    """Name, version and extensions."""
    return _response(ServerMetadata("anytime", package_version(), list(EXTENSIONS)))


@router.get(
    "/health/live",
    summary="Whether the server runs",
    operation_id="server_live",
    **_document("It runs.", "Live", guarded=False),
)
async def live() -> Response:
    """As `GET /livez`."""
    return _response(Live(live=True))


@router.get(
    "/health/ready",
    summary="Whether requests are taken",
    operation_id="server_ready",
    **_document("They are.", "Ready", 503, guarded=False),
)
async def ready(request: Request) -> Response:
    """As `GET /readyz`."""
    check_ready(server_of(request))
    return _response(Ready(ready=True))


@router.post(
    "/repository/index",
    summary="The models that there are",
    operation_id="repository_index",
    openapi_extra={"requestBody": {"content": {JSON: {"schema": reference("IndexRequest")}}}},
    response_class=Response,
    responses={200: _INDEX, **inference_errors(400, 415)},
)
async def repository_index(request: Request) -> Response:
    """Every version that answers, ready when the server is; and what is on its way, on its way out, or broken."""
    if body_type(request) != JSON:
        raise UnsupportedMediaType(f"The body must be {JSON}.")
    body = await read_body(request.receive)
    try:
        asked = msgspec.json.decode(body or b"{}", type=IndexRequest)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Malformed(f"The body is no request for an index: {str(error)[:200]}.") from error
    server = server_of(request)
    if asked.ready and not server.ready:
        return _response([])
    state, reason = ("READY", "") if server.ready else ("UNAVAILABLE", "no worker takes requests")
    entries = [IndexEntry(each.name, each.version, state, reason) for each in server.pool.manifests.values()]
    return _response(entries if asked.ready else [*entries, *_others(server)])


def _others(server: Server) -> Iterator[IndexEntry]:
    """Bundles that do not answer, as far as their name is known."""
    for bundle in server.pool.bundles:
        if bundle.model and bundle.state != "ready":
            name, _, version = bundle.model.partition("@")
            yield IndexEntry(name, version, _STATES[bundle.state], bundle.error or "")
