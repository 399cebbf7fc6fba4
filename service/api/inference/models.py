"""What each model takes and gives, and whether it is ready."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from models.bundle.reader import AnyManifest
from service.api.documents import json_response
from service.api.health import check_ready
from service.api.inference.documents import inference_errors, path_parameters
from service.api.inference.results import Described, outputs_of
from service.api.negotiation import JSON
from service.api.resolve import find_model
from service.api.server import Server, server_of

router = APIRouter(prefix="/v2/models", tags=["inference protocol"])
PLATFORM = "anytime"
_DATA_TYPES = {"BYTES": "TYPE_STRING", "INT32": "TYPE_INT32", "INT64": "TYPE_INT64", "FP32": "TYPE_FP32"}


class TensorMetadata(msgspec.Struct):
    """A tensor; -1 in its shape stands for any number."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(msgspec.Struct):
    """A model's inputs, each of which may be left out, and outputs."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class ModelReadiness(msgspec.Struct):
    """That a model is ready."""

    name: str
    ready: bool


class TensorConfig(msgspec.Struct):
    """A tensor as Triton configures it."""

    name: str
    data_type: str
    dims: list[int]
    optional: bool = False


class ModelConfig(msgspec.Struct):
    """A model as Triton configures it. `max_batch_size` is 0 since shapes name the batch themselves."""

    name: str
    platform: str
    backend: str
    max_batch_size: int
    input: list[TensorConfig]
    output: list[TensorConfig]


def inputs_of(_manifest: AnyManifest) -> list[Described]:
    """What a model takes; each may be left out, and label may be INT32 or INT64, too."""
    return [Described("label", "BYTES", [-1]), Described("seed", "INT64", [-1]), Described("codes", "INT32", [-1, -1])]


def model_at(request: Request, server: Server) -> AnyManifest:
    """The model, and perhaps its version, that the path names.

    Raises:
        ModelNotFound: it is not loaded.
    """
    return find_model(request.path_params["name"], server.pool.manifests, request.path_params.get("version"))


def _response(answer: msgspec.Struct) -> Response:
    return Response(msgspec.json.encode(answer), media_type=JSON)


def _document(name: str, description: str, schema: str, *statuses: int, versioned: bool = False) -> dict[str, Any]:
    return {
        "operation_id": f"version_{name}" if versioned else f"model_{name}",
        "response_class": Response,
        "openapi_extra": {"parameters": path_parameters(versioned=versioned)},
        "responses": {200: json_response(description, schema), **inference_errors(404, *statuses)},
    }


_METADATA = ("metadata", "The model.", "ModelMetadata")
_READY = ("ready", "The model is ready.", "ModelReadiness", 503)
_CONFIG = ("config", "The model.", "ModelConfig")


@router.get("/{name}", summary="A model's tensors", **_document(*_METADATA))
@router.get("/{name}/versions/{version}", summary="A version's tensors", **_document(*_METADATA, versioned=True))
async def metadata(request: Request) -> Response:
    """What a model takes and gives."""
    server = server_of(request)
    manifest = model_at(request, server)
    versions = server.pool.manifests.versions(manifest.name)
    inputs, outputs = ([TensorMetadata(*each) for each in of(manifest)] for of in (inputs_of, outputs_of))
    return _response(ModelMetadata(manifest.name, versions, PLATFORM, inputs, outputs))


@router.get("/{name}/ready", summary="Whether a model is ready", **_document(*_READY))
@router.get(
    "/{name}/versions/{version}/ready", summary="Whether a version is ready", **_document(*_READY, versioned=True)
)
async def ready(request: Request) -> Response:
    """200 if a request for this model would be taken now."""
    server = server_of(request)
    manifest = model_at(request, server)
    check_ready(server)
    return _response(ModelReadiness(manifest.name, ready=True))


@router.get("/{name}/config", summary="A model as Triton has it", **_document(*_CONFIG))
@router.get(
    "/{name}/versions/{version}/config", summary="A version as Triton has it", **_document(*_CONFIG, versioned=True)
)
async def config(request: Request) -> Response:
    """What a model takes and gives, in the words of Triton's configuration."""
    manifest = model_at(request, server_of(request))
    return _response(
        ModelConfig(
            name=manifest.name,
            platform=PLATFORM,
            backend=PLATFORM,
            max_batch_size=0,
            input=[_config_of(each, optional=True) for each in inputs_of(manifest)],
            output=[_config_of(each) for each in outputs_of(manifest)],
        )
    )


def _config_of(tensor: Described, *, optional: bool = False) -> TensorConfig:
    return TensorConfig(tensor.name, _DATA_TYPES[tensor.datatype], tensor.shape, optional)
