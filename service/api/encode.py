"""`POST /v1/encode`: a picture or clip to its codes, as many as a budget of bytes allows, inside a deadline."""

from __future__ import annotations

from typing import cast

from fastapi import APIRouter
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from service.api.account import EncodeAccount
from service.api.arrival import ENCODE_PATH, exchange_of
from service.api.codec_documents import ENCODE_DOCUMENT
from service.api.codec_schemas import EncodeOptions, EncodeRequest
from service.api.delivery import as_json, facts_of, nobody_there, unless_disconnected
from service.api.encoding import Wanted, check_file, encode_answer, options_of, timing_header, wanted_of
from service.api.intake import model_of
from service.api.negotiation import JSON, usual_name
from service.api.problems import NotFound
from service.api.reading import body_type, read_body, validated
from service.api.resolve_codes import decode_base64
from service.api.server import server_of
from service.codec import Errand, Medium
from service.messages import Encoded

router = APIRouter(tags=["codes"])


@router.post(ENCODE_PATH, summary="Find the codes of a picture or clip", **ENCODE_DOCUMENT)
async def encode(request: Request) -> Response:
    """Answers with the first codes of a file, as many as asked for or as fit, and with what they lose of it."""
    server, account = server_of(request), cast("EncodeAccount", exchange_of(request).account)
    if not server.codec.on:
        raise NotFound("This server does not encode: its setting `encoder` is `off`.")
    try:
        options, data, declared = await _read(request)
    except ClientDisconnect:
        return nobody_there(account)
    manifest = model_of(options.model, server, account)
    account.deadline_ms = account.given_ms(options.deadline_ms, request.scope["headers"], account.longest_ms)
    wanted = wanted_of(options, manifest)
    media_type = check_file(data, declared, manifest)
    errand = server.codec.submit(
        Medium(manifest.identity, data, media_type, options.fit, wanted.lengths),
        account.arrival,
        account.deadline,
    )
    account.facts["id"] = errand.id  # and no more: it may still be refused, and is not lost by that
    encoded = await unless_disconnected(request, errand)
    return nobody_there(account) if encoded is None else _response(encoded, errand, wanted, account)


async def _read(request: Request) -> tuple[EncodeOptions, bytes, str | None]:
    """The options, the file, and what the client says it is.

    Raises:
        ServiceError: the body or an option is unreadable or invalid.
        ClientDisconnect: the body ends too soon.
    """
    media_type = body_type(request)
    in_query = options_of(request.scope["query_string"])
    body = await read_body(request.receive)
    if media_type != JSON:
        return in_query, body, usual_name(media_type)
    in_body = validated(EncodeRequest, body)
    # What is in both is taken from the body, which is nearer to the file.
    options = in_query.model_copy(update=in_body.model_dump(exclude_unset=True, exclude={"b64"}))
    return options, decode_base64("b64", in_body.b64), None


def _response(encoded: Encoded, errand: Errand, wanted: Wanted, account: EncodeAccount) -> Response:
    answer = encode_answer(encoded, errand, wanted, account)
    response = as_json(answer, facts_of(timing_header(answer.timing)), account.clock)
    timing = answer.timing
    phases = [
        ("queue", timing.queue_ms),
        ("read", timing.read_ms),
        ("encode", timing.encode_ms),
        ("decode", timing.decode_ms),
    ]
    response.handed_over = lambda _stalled: account.encoded(len(answer.codes), phases)
    return response
