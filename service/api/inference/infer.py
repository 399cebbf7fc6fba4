"""`POST /v2/models/{name}/infer`: samples as tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from fastapi import APIRouter
from pydantic import ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from models.bundle.reader import AnyManifest
from service import messages
from service.api.account import Account
from service.api.answers import server_timing
from service.api.delivery import Delivery, facts_of, nobody_there, unless_disconnected
from service.api.inference.batch import requests_of
from service.api.inference.documents import infer_document
from service.api.inference.results import BINARY, ENCODED, HEADER_LENGTH, wanted, written
from service.api.inference.schemas import InferRequest, Parameters
from service.api.inference.tensors import read_inputs
from service.api.intake import Taken, model_of, open_account, take_all
from service.api.negotiation import JSON
from service.api.problems import UnsupportedMediaType, from_validation
from service.api.reading import body_type, read_body
from service.api.schemas import GenerateRequest
from service.api.server import Server, server_of
from service.errors import Malformed

INFER_PATH = "/v2/models/{name}/infer"
INFER_VERSION_PATH = "/v2/models/{name}/versions/{version}/infer"
router = APIRouter(tags=["inference protocol"])
_DECODER = msgspec.json.Decoder(InferRequest)
_LONGEST_LENGTH = 18  # digits


class _Asked(NamedTuple):
    """An inference that can be served: its parts, the tensors to send and whether as binary data, its name."""

    parts: list[GenerateRequest]
    chosen: dict[str, bool]
    id: str


class _Together:
    """Tickets that are answered together or not at all."""

    def __init__(self, taken: Sequence[Taken]) -> None:
        self._tickets = [each.ticket for each in taken]

    def cancel(self) -> None:
        """Take all of them back that have not ended."""
        for ticket in self._tickets:
            ticket.cancel()

    async def answer(self) -> list[messages.Result] | None:
        """The answers in order; None after `cancel`. Raises ServiceError if there is one in place of an answer."""
        results = [await ticket.answer() for ticket in self._tickets]
        whole = [result for result in results if result is not None]
        return whole if len(whole) == len(results) else None


@router.post(INFER_PATH, summary="Infer", operation_id="infer", **infer_document(versioned=False))
@router.post(
    INFER_VERSION_PATH, summary="Infer by a version", operation_id="infer_version", **infer_document(versioned=True)
)
async def infer(request: Request) -> Response:
    """Answers inside the deadline with the best complete samples that the time allows, as tensors."""
    server = server_of(request)
    account = await open_account(request)
    if body_type(request) not in (JSON, BINARY):
        raise UnsupportedMediaType(f"The body must be {JSON} or {BINARY}.")
    try:
        body = await read_body(request.receive)
    except ClientDisconnect:
        return nobody_there(account)
    # Not before the body is here: models may change meanwhile.
    manifest = model_of(request.path_params["name"], server, account, request.path_params.get("version"))
    asked = _read(body, request, manifest, server)
    taken = take_all(asked.parts, manifest, server, account, request.scope["headers"])
    results = await unless_disconnected(request, _Together(taken))
    return nobody_there(account) if results is None else _response(asked, taken, results, server, account)


def _read(body: bytes, request: Request, manifest: AnyManifest, server: Server) -> _Asked:
    """Take a body apart, and see what it asks for. Raises ServiceError for whatever is wrong with it."""
    length = _header_length(request, len(body))
    try:
        asked = _DECODER.decode(body[:length])
        parameters = Parameters.model_validate(asked.parameters)
    except ValidationError as error:
        raise from_validation(error) from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise Malformed(f"The request is not an inference request: {str(error)[:200]}.") from error
    chosen = wanted(asked.outputs, manifest, parameters.binary_data_output)
    tensors = read_inputs(asked.inputs, body[length:])
    parts = requests_of(tensors, parameters, manifest, server.settings, files=ENCODED in chosen)
    return _Asked(parts, chosen, asked.id)


def _header_length(request: Request, total: int) -> int:
    """How many bytes of the body are JSON: all, unless a header says otherwise."""
    for name, value in request.scope["headers"]:
        if name == HEADER_LENGTH:
            if not value.isdigit() or len(value) > _LONGEST_LENGTH or int(value) > total:
                raise Malformed(
                    f"The header Inference-Header-Content-Length is no number up to {total}, the body's length."
                )
            return int(value)
    return total


def _response(
    asked: _Asked, taken: Sequence[Taken], results: Sequence[messages.Result], server: Server, account: Account
) -> Delivery:
    # What one worker's answer waits for another's is no part of what its way costs: the last to end tells that.
    tickets = [each.ticket for each in taken]
    result, last = max(
        zip(results, tickets, strict=True), key=lambda pair: pair[1].submitted + pair[0].timing.total_ms / 1000
    )
    outputs = [output for each in results for output in each.outputs]
    body, media_type, headers = written(taken, outputs, asked.chosen, asked.id, account.deadline_ms)
    facts = facts_of(server_timing(result.timing, account.elapsed_ms()))
    response = Delivery(body, media_type, [*headers, *facts], account.clock)
    whole = messages.Result(tickets[0].id, outputs, result.timing)

    def handed_over(stalled: bool) -> None:
        if not stalled:
            server.pool.delivered(last)
        account.answered(whole)

    response.handed_over = handed_over
    return response
