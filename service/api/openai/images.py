"""`POST /v1/images/generations`: image generation as OpenAI's clients ask for it."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from models.bundle.reader import AnyManifest
from service.api.account import Account
from service.api.answers import server_timing
from service.api.delivery import as_json, facts_of, nobody_there, unless_disconnected
from service.api.intake import model_of, open_account, take
from service.api.openai.answers import ImageEvents, images_answer
from service.api.openai.documents import IMAGES_DOCUMENT
from service.api.openai.schemas import ImagesRequest, generation_of
from service.api.reading import read_json
from service.api.schemas import GenerateRequest
from service.api.server import server_of
from service.api.sse import EventStream

IMAGES_PATH = "/v1/images/generations"
router = APIRouter(tags=["openai"])


@router.post(IMAGES_PATH, summary="Generate images as OpenAI's clients ask for them", **IMAGES_DOCUMENT)
async def generate_images(request: Request) -> Response:
    """Answers inside the deadline, like `POST /v1/generate`; the prompt names one of the model's classes.

    With `stream` the answer is server-sent events: at most `partial_images` on the way, then the image.
    """
    server = server_of(request)
    account = await open_account(request)
    try:
        asked = await read_json(request, account, server, ImagesRequest)
    except ClientDisconnect:
        return nobody_there(account)
    manifest = model_of(asked.model, server, account)
    body = generation_of(asked, manifest, server.settings)
    if asked.streamed:
        return _stream(request, body, manifest, account, asked.partial_images or 0)
    taken = take(body, manifest, server, account, headers=request.scope["headers"])
    result = await unless_disconnected(request, taken.ticket)
    if result is None:
        return nobody_there(account)
    facts = facts_of(server_timing(result.timing, account.elapsed_ms()))
    response = as_json(images_answer(taken, result, account), facts, account.clock)

    def handed_over(stalled: bool) -> None:
        if not stalled:
            server.pool.delivered(taken.ticket)
        account.answered(result)

    response.handed_over = handed_over
    return response


def _stream(
    request: Request, body: GenerateRequest, manifest: AnyManifest, account: Account, partial_images: int
) -> EventStream:
    server, headers = server_of(request), request.scope["headers"]
    budget_ms = account.given_ms(body.deadline_ms, headers)
    every_ms = budget_ms / partial_images if partial_images else None  # the first comes with the first codes
    taken = take(body, manifest, server, account, headers=headers, preview_ms=every_ms)
    return EventStream(taken.ticket, ImageEvents(taken, account, partial_images), server, account)
