"""`POST /v1/images/generations`: image generation as OpenAI's clients ask for it."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from service.api.answers import server_timing
from service.api.body import read_json
from service.api.deadlines import deadline_ms
from service.api.delivery import Delivery, answers_to
from service.api.intake import model_of, open_account, take
from service.api.negotiation import JSON
from service.api.openai.answers import ImageEvents, answer_at_once
from service.api.openai.documents import IMAGES_DOCUMENT
from service.api.openai.schemas import ImagesRequest, generation_of
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
    asked = await read_json(request, ImagesRequest, account, server)
    manifest = model_of(asked.model, server, account)
    body = generation_of(asked, manifest, server.settings)
    headers = request.scope["headers"]
    if asked.streamed:
        partial_images = asked.partial_images or 0
        budget_ms = deadline_ms(body.deadline_ms, headers, server.settings)
        every_ms = budget_ms / partial_images if partial_images else None  # the first comes with the first codes
        taken = take(body, manifest, server, account, headers=headers, preview_ms=every_ms)
        return EventStream(taken.ticket, ImageEvents(taken, account, partial_images), server, account)
    taken = take(body, manifest, server, account, headers=headers)
    (result,) = await answers_to(request, [taken.ticket])
    timing = server_timing(result.timing, account.elapsed_ms()).encode()
    facts = [(b"server-timing", timing), (b"cache-control", b"no-store")]
    response = Delivery(answer_at_once(taken, result, account), JSON.encode(), facts, account.clock)

    def handed_over(stalled: bool) -> None:
        if not stalled:
            server.pool.delivered(taken.ticket)
        account.answered(result)

    response.handed_over = handed_over
    return response
