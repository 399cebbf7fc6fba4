"""Which models are loaded, and what a client needs to know to ask them."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from models.bundle.reader import AnyManifest
from models.config import Media
from service.access.clients import longest_ms
from service.api.arrival import exchange_of
from service.api.documents import json_response, parameter, problem_responses
from service.api.resolve import find_model
from service.api.server import Server, server_of
from service.encode import formats_of
from service.registry.registry import State

router = APIRouter(prefix="/v1/models", tags=["models"])


class MediaDescription(msgspec.Struct):
    """What a sample is: its type, image or audio, and its shape, channels first."""

    type: str
    shape: list[int]
    sample_rate: Annotated[int | None, Meta(description="Of audio, per second.")]
    duration_seconds: Annotated[float | None, Meta(description="Of audio: how long every sample is.")]
    formats: Annotated[list[str], Meta(description="What samples can be sent as; the first if a request says nothing.")]


class SamplingDescription(msgspec.Struct):
    """How the model samples when a request does not say."""

    temperature: float
    top_k: int
    top_p: float


OWNER = "anytime"


class ModelEntry(msgspec.Struct):
    """A loaded model as OpenAI's clients list it."""

    id: Annotated[str, Meta(description="The model's name, `name@version` unless that is the default.")]
    created: Annotated[int, Meta(description="When the server was started, in Unix seconds.")]
    object: Literal["model"] = "model"
    owned_by: str = OWNER


class ModelDescription(msgspec.Struct):
    """One loaded model; its first four fields are OpenAI's."""

    id: Annotated[str, Meta(description="The model's name, `name@version` unless that is the default.")]
    object: Literal["model"]
    created: Annotated[int, Meta(description="When the server was started, in Unix seconds.")]
    owned_by: str
    name: str
    version: str
    default: Annotated[bool, Meta(description="Whether the bare name means this version.")]
    aliases: Annotated[list[str], Meta(description="Other names for exactly this.")]
    description: str
    kind: str
    media: MediaDescription
    codes: Annotated[int, Meta(description="How many codes a complete sample has.")]
    labels: Annotated[list[str], Meta(description="The classes, in order of index.")]
    sampling: SamplingDescription
    quality_curve: Annotated[list[float], Meta(description="Expected quality after 0, 1, ... codes.")]
    minimum_deadline_ms: Annotated[
        float | None, Meta(description="The smallest deadline that is taken at present; null until a worker is ready.")
    ]


class Limits(msgspec.Struct):
    """What this server allows in a request of this client's, whatever the model."""

    max_deadline_ms: Annotated[float, Meta(description="Longer deadlines are clamped to this.")]
    default_deadline_ms: Annotated[float, Meta(description="The deadline of a request that names none.")]
    max_samples: Annotated[int, Meta(description="The largest `n`.")]
    max_scale: Annotated[int, Meta(description="The largest enlargement of a picture.")]
    max_pixels: Annotated[int, Meta(description="The most pixels of all pictures of a request, enlarged.")]
    max_socket_requests: Annotated[int, Meta(description="Requests in progress on one websocket.")]


class BundleDescription(msgspec.Struct):
    """A bundle in the server's folder, or one that was there and still answers."""

    folder: Annotated[str | None, Meta(description="Its name; null if it is gone.")]
    model: Annotated[str | None, Meta(description="`name@version`; null if that cannot be read.")]
    state: Annotated[State, Meta(description="`failed`: not served, and not going to be as it lies there.")]
    error: Annotated[
        str | None, Meta(description="Why it cannot be loaded as it lies there; of one that is ready, why not again.")
    ]


class ModelList(msgspec.Struct):
    """What can be asked for, the same as OpenAI's clients read a list, what lies in the server's folder, and limits."""

    models: list[ModelDescription]
    data: list[ModelEntry]
    aliases: Annotated[dict[str, str], Meta(description="Which `name@version` each alias stands for.")]
    bundles: list[BundleDescription]
    limits: Limits
    object: Literal["list"] = "list"


def _describe_media(media: Media) -> MediaDescription:
    seconds = None if media.seconds is None else round(media.seconds, 6)
    return MediaDescription(media.type, list(media.shape), media.sample_rate, seconds, list(formats_of(media)))


def describe(manifest: AnyManifest, server: Server) -> ModelDescription:
    """A loaded model as a client sees it."""
    minimum = server.pool.minimum_deadline_ms(manifest.identity)
    models = server.pool.manifests
    return ModelDescription(
        id=models.label(manifest.identity),
        object="model",
        created=server.started,
        owned_by=OWNER,
        name=manifest.name,
        version=manifest.version,
        default=models.is_default(manifest),
        aliases=[alias for alias, reference in models.aliases.items() if reference == manifest.reference],
        description=manifest.description,
        kind=manifest.kind,
        media=_describe_media(manifest.media),
        codes=manifest.codes,
        labels=list(manifest.labels),
        sampling=SamplingDescription(**manifest.sampling.model_dump()),
        quality_curve=list(manifest.quality_curve),
        minimum_deadline_ms=None if minimum is None else round(minimum, 3),
    )


@router.get(
    "",
    summary="The loaded models",
    operation_id="list_models",
    response_class=Response,
    responses={200: json_response("The loaded models.", "ModelList"), **problem_responses()},
)
async def list_models(request: Request) -> Response:
    """Every version of every loaded model, the aliases, what became of each bundle in the folder, and the limits."""
    server = server_of(request)
    pool = server.pool
    models = [describe(manifest, server) for manifest in pool.manifests.values()]
    limits = msgspec.convert(server.settings, Limits, from_attributes=True)
    limits.max_deadline_ms = longest_ms(exchange_of(request).client, server.settings)
    listed = ModelList(
        models=models,
        data=[ModelEntry(model.id, model.created) for model in models],
        aliases=pool.manifests.aliases,
        bundles=[BundleDescription(*each) for each in pool.bundles],
        limits=limits,
    )
    return Response(msgspec.json.encode(listed), media_type="application/json")


@router.get(
    "/{name}",
    summary="One loaded model",
    operation_id="get_model",
    response_class=Response,
    openapi_extra={"parameters": [parameter("name", "path", "A name, `name@version` or an alias.", "fashion-mnist")]},
    responses={200: json_response("The model.", "ModelDescription"), **problem_responses(404)},
)
async def get_model(request: Request) -> Response:
    """One loaded model by any of its names."""
    server = server_of(request)
    manifest = find_model(request.path_params["name"], server.pool.manifests)
    return Response(msgspec.json.encode(describe(manifest, server)), media_type="application/json")
