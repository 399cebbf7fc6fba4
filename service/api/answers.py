"""What clients get: answers and events, written by msgspec, which encodes base64 while it writes."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import msgspec
from msgspec import UNSET, Meta, UnsetType

from service import messages
from service.api.account import Account
from service.api.problems import Problem, problem_of
from service.api.resolve import Resolved
from service.encode import MEDIA_TYPES
from service.errors import ServiceError
from service.outcomes import StopReason

Milliseconds = Annotated[float, Meta(description="milliseconds")]


class OutputAnswer(msgspec.Struct):
    """One sample. Its codes, with its seed and index and the request's parameters, are all it takes to go on with it.

    A sample whose codes were all given to be decoded has neither seed nor label.
    Over a websocket in binary mode `b64` is left out and `bytes` tells the size of the sample in the frame that
    follows. A preview has no `stop_reason`.
    """

    index: int
    media_type: str
    codes: Annotated[list[int], Meta(description="The codes behind this sample, in order of importance.")]
    codes_total: Annotated[int, Meta(description="How many codes a complete sample has.")]
    expected_quality: Annotated[float, Meta(ge=0, le=1)]
    seed: int | UnsetType = UNSET
    label: str | UnsetType | None = UNSET
    b64: bytes | UnsetType = UNSET
    stop_reason: StopReason | UnsetType = UNSET
    size: int | UnsetType = msgspec.field(default=UNSET, name="bytes")


class TimingAnswer(msgspec.Struct):
    """Where the time went; `total_ms` runs from the server's receipt of the request to the writing of this answer."""

    queue_ms: Milliseconds
    sample_ms: Milliseconds
    decode_ms: Milliseconds
    encode_ms: Milliseconds
    total_ms: Milliseconds


class Answer(msgspec.Struct):
    """The answer to `POST /v1/generate` and `POST /v1/decode`."""

    id: str
    model: str
    version: str
    outputs: list[OutputAnswer]
    deadline_ms: Annotated[float, Meta(description="The deadline that the request was given.")]
    timing: TimingAnswer


class EncodeTimingAnswer(msgspec.Struct):
    """Where the time went: until the encoder had the file, then to a sample, to codes, and back for the errors."""

    queue_ms: Milliseconds
    read_ms: Milliseconds
    encode_ms: Milliseconds
    decode_ms: Milliseconds
    total_ms: Milliseconds


SquaredError = Annotated[
    float, Meta(description="Squared difference of what the codes decode to, summed over the sample's numbers.")
]
Psnr = Annotated[
    float | None,
    Meta(description="The same as a ratio to full scale, in decibels; null if there is no error."),
]
PackedBytes = Annotated[int, Meta(description="Bytes that the codes take when packed.")]


class CurvePoint(msgspec.Struct):
    """What so many of the codes are worth."""

    codes: int
    size: PackedBytes = msgspec.field(name="bytes")
    expected_quality: Annotated[float, Meta(ge=0, le=1)]
    squared_error: SquaredError
    psnr_db: Psnr


class EncodeAnswer(msgspec.Struct):
    """The answer to `POST /v1/encode`."""

    id: str
    model: str
    version: str
    codes: Annotated[list[int], Meta(description="The codes, in order of importance.")]
    codes_total: Annotated[int, Meta(description="How many codes a complete sample has.")]
    packed: Annotated[bytes, Meta(description="The codes as few bytes, in base64; `/v1/decode` takes them so, too.")]
    size: PackedBytes = msgspec.field(name="bytes")
    expected_quality: Annotated[float, Meta(ge=0, le=1)]
    squared_error: SquaredError
    psnr_db: Psnr
    deadline_ms: Annotated[float, Meta(description="The deadline that the request was given.")]
    timing: EncodeTimingAnswer
    curve: list[CurvePoint] | UnsetType = UNSET


class AcceptedEvent(msgspec.Struct, tag_field="type", tag="accepted"):
    """The request is taken; one `completed` or `error` will follow."""

    id: str
    model: str
    version: str
    n: int
    codes_total: int
    seed: int
    label: str | None
    deadline_ms: float


class PreviewEvent(msgspec.Struct, tag_field="type", tag="preview"):
    """A sample as it stands."""

    id: str
    output: OutputAnswer
    elapsed_ms: float


class CompletedEvent(msgspec.Struct, tag_field="type", tag="completed"):
    """The answer. In binary mode one frame follows, the samples of `outputs` one after another."""

    id: str
    model: str
    version: str
    outputs: list[OutputAnswer]
    deadline_ms: float
    timing: TimingAnswer


class ErrorEvent(msgspec.Struct, tag_field="type", tag="error"):
    """The request has failed; `id` is null if the message named none that could be told from the others in progress."""

    id: str | None
    problem: Problem


def output_of(output: messages.Output, resolved: Resolved, *, binary: bool = False) -> OutputAnswer:
    """One sample as a client sees it."""
    return OutputAnswer(
        index=resolved.generation.sampling.index + output.index,
        media_type=MEDIA_TYPES[resolved.generation.encoding.format],
        codes=output.codes,
        codes_total=resolved.manifest.codes,
        expected_quality=round(output.expected_quality, 6),
        seed=resolved.generation.sampling.seed if resolved.drawn else UNSET,
        label=resolved.label if resolved.drawn else UNSET,
        b64=UNSET if binary else output.data,
        stop_reason=StopReason(output.stop_reason) if output.stop_reason else UNSET,
        size=len(output.data) if binary else UNSET,
    )


def timing_of(timing: messages.Timing, total_ms: float) -> TimingAnswer:
    """The worker's timing with the server's own total."""
    return TimingAnswer(
        queue_ms=round(timing.queue_ms, 3),
        sample_ms=round(timing.sample_ms, 3),
        decode_ms=round(timing.decode_ms, 3),
        encode_ms=round(timing.encode_ms, 3),
        total_ms=round(total_ms, 3),
    )


def answer_of(ticket_id: str, result: messages.Result, resolved: Resolved, account: Account) -> Answer:
    """The JSON answer."""
    return Answer(
        id=ticket_id,
        model=resolved.manifest.name,
        version=resolved.manifest.version,
        outputs=[output_of(output, resolved) for output in result.outputs],
        deadline_ms=account.deadline_ms,
        timing=timing_of(result.timing, account.elapsed_ms()),
    )


def accepted_event(name: str, resolved: Resolved, account: Account) -> AcceptedEvent:
    """A stream's first event; `name` is what all events of the request call it."""
    return AcceptedEvent(
        id=name,
        model=resolved.manifest.name,
        version=resolved.manifest.version,
        n=resolved.generation.n,
        codes_total=resolved.manifest.codes,
        seed=resolved.generation.sampling.seed,
        label=resolved.label,
        deadline_ms=account.deadline_ms,
    )


def preview_event(
    name: str, preview: messages.Preview, resolved: Resolved, account: Account, *, binary: bool = False
) -> PreviewEvent:
    """A sample on the way."""
    output = output_of(preview.output, resolved, binary=binary)
    return PreviewEvent(id=name, output=output, elapsed_ms=round(account.elapsed_ms(), 3))


def completed_event(
    name: str, result: messages.Result, resolved: Resolved, account: Account, *, binary: bool = False
) -> CompletedEvent:
    """The answer as an event."""
    return CompletedEvent(
        id=name,
        model=resolved.manifest.name,
        version=resolved.manifest.version,
        outputs=[output_of(output, resolved, binary=binary) for output in result.outputs],
        deadline_ms=account.deadline_ms,
        timing=timing_of(result.timing, account.elapsed_ms()),
    )


def error_event(name: str | None, error: ServiceError, request_id: str) -> ErrorEvent:
    """What comes instead of an answer; `name` is None if it is not known of which request."""
    return ErrorEvent(name, problem_of(error, request_id))


def media_headers(ticket_id: str, result: messages.Result, resolved: Resolved, account: Account) -> dict[str, str]:
    """The facts of a bare answer, which has no JSON to hold them; names in small letters, as ASGI has them."""
    output = result.outputs[0]
    headers = {
        "x-anytime-id": ticket_id,
        "x-anytime-model": resolved.manifest.name,
        "x-anytime-version": resolved.manifest.version,
        "x-anytime-codes": str(len(output.codes)),
        "x-anytime-codes-total": str(resolved.manifest.codes),
        "x-anytime-stop-reason": output.stop_reason,
        "x-anytime-expected-quality": f"{output.expected_quality:.6f}",
        "x-anytime-deadline-ms": f"{account.deadline_ms:g}",
    }
    if resolved.drawn:
        headers["x-anytime-seed"] = str(resolved.generation.sampling.seed)
    if resolved.label is not None:
        # Header values are ASCII; names in other scripts are percent-encoded.
        headers["x-anytime-label"] = quote(resolved.label, safe=" !#$&'()*+,-./:;<=>?@[]^_`{|}~")
    return headers


def server_timing(timing: messages.Timing, total_ms: float) -> str:
    """The value of `Server-Timing` (W3C)."""
    return (
        f"queue;dur={timing.queue_ms:.3f}, sample;dur={timing.sample_ms:.3f}, decode;dur={timing.decode_ms:.3f}, "
        f"encode;dur={timing.encode_ms:.3f}, total;dur={total_ms:.3f}"
    )
