"""`POST /v1/decode`: codes back to media, any prefixes of them, inside a deadline."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from service.api.codec_documents import DECODE_DOCUMENT
from service.api.codec_schemas import DecodeRequest
from service.api.delivery import deliver_samples, nobody_there
from service.api.intake import model_of, open_account, take_codes
from service.api.negotiation import accepted, choose
from service.api.reading import read_json
from service.api.server import server_of

DECODE_PATH = "/v1/decode"
router = APIRouter(tags=["codes"])


@router.post(DECODE_PATH, summary="Turn codes into samples", **DECODE_DOCUMENT)
async def decode(request: Request) -> Response:
    """Answers with the sample that each list of codes, or each asked-for prefix of it, stands for."""
    server = server_of(request)
    account = await open_account(request)
    try:
        body = await read_json(request, account, server, DecodeRequest)
    except ClientDisconnect:
        return nobody_there(account)
    manifest = model_of(body.model, server, account)
    headers = request.scope["headers"]
    accept = accepted(headers)
    file_format = choose(accept, manifest.media, body.format, body.samples) if accept else None
    taken = take_codes(body, manifest, server, account, headers=headers, file_format=file_format)
    return await deliver_samples(request, taken, account, bare=file_format is not None)
