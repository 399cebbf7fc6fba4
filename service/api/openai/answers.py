"""What `POST /v1/images/generations` answers, at once or as events."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from service import messages
from service.api.account import Account
from service.api.answers import output_of
from service.api.intake import Taken
from service.api.openai.errors import error_of
from service.api.resolve import Resolved
from service.api.sse import server_sent
from service.clock import unix_seconds
from service.errors import ServiceError
from service.outcomes import StopReason

PARTIAL = "image_generation.partial_image"
COMPLETED = "image_generation.completed"
_ENCODER = msgspec.json.Encoder()


class Anytime(msgspec.Struct):
    """What this service says of an image beyond what OpenAI has names for; as in the answer of `/v1/generate`.

    An image on the way has no `stop_reason`.
    """

    id: str
    model: str
    version: str
    codes: list[int]
    codes_total: int
    expected_quality: Annotated[float, Meta(ge=0, le=1)]
    seed: int
    index: int
    label: str | None
    deadline_ms: float
    stop_reason: StopReason | UnsetType = UNSET


class InputTokens(msgspec.Struct):
    """No prompt is read in tokens."""

    image_tokens: int = 0
    text_tokens: int = 0


class Usage(msgspec.Struct):
    """Codes, where OpenAI counts tokens."""

    output_tokens: int
    total_tokens: int
    input_tokens: int = 0
    input_tokens_details: InputTokens = msgspec.field(default_factory=InputTokens)


class ImageItem(msgspec.Struct):
    """One image."""

    b64_json: bytes
    anytime: Anytime


class ImagesAnswer(msgspec.Struct):
    """The answer at once."""

    created: Annotated[int, Meta(description="Unix time in seconds.")]
    data: list[ImageItem]
    output_format: str
    size: str
    usage: Usage
    background: Literal["opaque"] = "opaque"


class PartialImageEvent(msgspec.Struct, tag_field="type", tag=PARTIAL):
    """An image on the way; whole, with fewer codes."""

    b64_json: bytes
    created_at: int
    output_format: str
    partial_image_index: int
    size: str
    anytime: Anytime
    background: Literal["opaque"] = "opaque"
    quality: Literal["auto"] = "auto"


class CompletedImageEvent(msgspec.Struct, tag_field="type", tag=COMPLETED):
    """The image."""

    b64_json: bytes
    created_at: int
    output_format: str
    size: str
    usage: Usage
    anytime: Anytime
    background: Literal["opaque"] = "opaque"
    quality: Literal["auto"] = "auto"


def images_answer(taken: Taken, result: messages.Result, account: Account) -> ImagesAnswer:
    """The answer at once."""
    resolved = taken.resolved
    return ImagesAnswer(
        created=unix_seconds(),
        data=[ImageItem(output.data, _anytime(taken, output, account)) for output in result.outputs],
        output_format=resolved.generation.encoding.format,
        size=_size(resolved),
        usage=_usage(result),
    )


class ImageEvents:
    """OpenAI's events of one image.

    Args:
        partial_images: the most to be told of.
    """

    def __init__(self, taken: Taken, account: Account, partial_images: int) -> None:
        self._taken = taken
        self._account = account
        self._partial_images = partial_images
        self._shown = 0

    def accepted(self) -> bytes:
        """Nothing: OpenAI has no such event."""
        return b""

    def preview(self, preview: messages.Preview) -> bytes:
        """A partial image, unless there were enough."""
        if self._shown == self._partial_images:
            return b""
        event = PartialImageEvent(
            b64_json=preview.output.data,
            created_at=unix_seconds(),
            output_format=self._taken.resolved.generation.encoding.format,
            partial_image_index=self._shown,
            size=_size(self._taken.resolved),
            anytime=_anytime(self._taken, preview.output, self._account),
        )
        self._shown += 1
        return server_sent(PARTIAL.encode(), _ENCODER.encode(event))

    def completed(self, result: messages.Result) -> bytes:
        """The image."""
        (output,) = result.outputs
        event = CompletedImageEvent(
            b64_json=output.data,
            created_at=unix_seconds(),
            output_format=self._taken.resolved.generation.encoding.format,
            size=_size(self._taken.resolved),
            usage=_usage(result),
            anytime=_anytime(self._taken, output, self._account),
        )
        return server_sent(COMPLETED.encode(), _ENCODER.encode(event))

    def failed(self, error: ServiceError, _request_id: str) -> bytes:
        """What OpenAI's clients raise in the middle of a stream."""
        return server_sent(b"error", _ENCODER.encode(error_of(error)))


def _anytime(taken: Taken, output: messages.Output, account: Account) -> Anytime:
    known = output_of(output, taken.resolved)
    return Anytime(
        id=taken.ticket.id,
        model=taken.resolved.manifest.name,
        version=taken.resolved.manifest.version,
        codes=known.codes,
        codes_total=known.codes_total,
        expected_quality=known.expected_quality,
        seed=taken.resolved.generation.sampling.seed,
        index=known.index,
        label=taken.resolved.label,
        deadline_ms=account.deadline_ms,
        stop_reason=known.stop_reason,
    )


def _size(resolved: Resolved) -> str:
    _, height, width = resolved.manifest.media.shape
    scale = resolved.generation.encoding.scale
    return f"{width * scale}x{height * scale}"


def _usage(result: messages.Result) -> Usage:
    codes = sum(len(output.codes) for output in result.outputs)
    return Usage(output_tokens=codes, total_tokens=codes)
