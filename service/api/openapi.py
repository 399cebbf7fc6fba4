"""The OpenAPI document: the parts that are not read off the routes."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.answers import AcceptedEvent, Answer, CompletedEvent, EncodeAnswer, ErrorEvent, PreviewEvent
from service.api.door import OPEN_PATHS
from service.api.health import Health
from service.api.inference.documents import complete
from service.api.inference.errors import InferenceError
from service.api.inference.models import ModelConfig, ModelMetadata, ModelReadiness
from service.api.inference.schemas import InferAnswer, InferRequest
from service.api.inference.server import IndexEntry, IndexRequest, Live, Ready, ServerMetadata
from service.api.models import ModelList
from service.api.openai.answers import CompletedImageEvent, ImagesAnswer, PartialImageEvent
from service.api.openai.errors import OpenAIErrorAnswer
from service.api.problems import Problem

TITLE = "Anytime"
DESCRIPTION = """\
Generates images and audio inside a deadline. A request says how long it may take; the answer comes inside that time,
complete, with as many codes as the time allowed, and says how many those are, what quality to expect and why there are
not more.

**Deadlines.** The earliest of the body's `deadline_ms` and the headers `x-request-timeout-seconds`, `grpc-timeout` and
`x-envoy-expected-rq-timeout-ms` wins. All count from the server's receipt of the request to the answer's last byte.

**Formats.** Images are sent as PNG, WebP, JPEG or `npy`, audio as WAV, FLAC, Ogg Vorbis or `npy`: inside JSON, or bare
if `Accept` names one. `GET /v1/models` says which a model has.

**Events.** `POST /v1/generate` with `Accept: text/event-stream` sends server-sent events: `accepted`, `preview`s at
most every `preview_ms`, then exactly one `completed` or `error`. Every preview is a complete picture or clip.

**Other clients.** `POST /v1/images/generations` is OpenAI's image generation; `/v2` is the Open Inference Protocol,
with Triton's binary tensors. Both stand for requests as `POST /v1/generate` takes them.

**Codes.** `POST /v1/encode` finds the codes of a picture or clip, best first, as many as a number of bytes holds;
`POST /v1/decode` makes samples of any first codes.

**Keys.** A server that has keys wants one with every request but those for health: as `Authorization: Bearer KEY`, as
`x-api-key: KEY` or, of a browser's websocket, as the subprotocol `anytime.key.KEY`. A key may be limited in its rate
and in what it has in progress (429), and in its deadlines, which are clamped.

**Errors** are `application/problem+json` (RFC 9457) with a stable `type`; under `/v1/images/` they are OpenAI's, under
`/v2` the Open Inference Protocol's.

**Websocket `/v1/stream`.** Text messages in: `{"type": "generate", "id": "a", ...}` with the fields of
`POST /v1/generate` and `binary`; `{"type": "stop", "id": "a"}` answers a request now;
`{"type": "cancel", "id": "a"}` forgets it. The same events out, each with the request's `id`. With `"binary": true` the
media follows its event as one binary frame. A `stop` or `cancel` that crosses the ending of its request has no effect.
"""

_ANSWERS = [
    *(Answer, EncodeAnswer, AcceptedEvent, PreviewEvent, CompletedEvent, ErrorEvent, Problem, ModelList, Health),
    *(ImagesAnswer, PartialImageEvent, CompletedImageEvent, OpenAIErrorAnswer),
    *(InferRequest, InferAnswer, InferenceError, ModelMetadata, ModelReadiness, ModelConfig),
    *(ServerMetadata, Live, Ready, IndexRequest, IndexEntry),
]


_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A key, as `anytime keys add` makes one."},
    "header": {"type": "apiKey", "in": "header", "name": "x-api-key", "description": "The same key."},
}


class DocumentedApp(FastAPI):
    """An app whose document carries the schemas that msgspec writes and the routes refer to.

    Attributes:
        entrance: what connections come to, before anything that FastAPI does with one; given `layers`, it has the rest.
        keyed: whether requests must have a key.
    """

    entrance: ASGIApp | None = None
    keyed = False

    async def layers(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The app as FastAPI has it."""
        await super().__call__(scope, receive, send)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if self.entrance is None or scope["type"] == "lifespan":
            await self.layers(scope, receive, send)
        else:
            scope["app"] = self
            await self.entrance(scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document, made once."""
        if self.openapi_schema is None:
            _, components = msgspec.json.schema_components(_ANSWERS, ref_template="#/components/schemas/{name}")
            complete(components)
            document = super().openapi()
            document.setdefault("components", {}).setdefault("schemas", {}).update(components)
            document["components"]["securitySchemes"] = _SCHEMES
            if self.keyed:
                document["security"] = [{name: []} for name in _SCHEMES]
                for path in OPEN_PATHS & set(document["paths"]):
                    document["paths"][path]["get"]["security"] = []
        return super().openapi()
