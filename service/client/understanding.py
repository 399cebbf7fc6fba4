"""From what a server sends to what a client gets. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from service.client.errors import NotUnderstood, Problem
from service.client.request import Request
from service.client.samples import Accepted, Answer, Model, Output, Preview, Timing

Wire = TypeVar("Wire")


class WireOutput(msgspec.Struct):
    """A sample on the wire; `b64` or, over a socket, `size` bytes in the frame that follows."""

    index: int
    media_type: str
    codes: tuple[int, ...]
    codes_total: int
    expected_quality: float
    seed: int
    label: str | None
    b64: bytes = b""
    stop_reason: str | None = None
    size: int = msgspec.field(default=0, name="bytes")


class WireAnswer(msgspec.Struct):
    """An answer on the wire."""

    id: str
    model: str
    outputs: list[WireOutput]
    deadline_ms: float
    timing: Timing
    version: str | None = None


class AcceptedEvent(msgspec.Struct, tag_field="type", tag="accepted"):
    """The request is taken."""

    model: str
    n: int
    codes_total: int
    seed: int
    label: str | None
    deadline_ms: float
    version: str | None = None


class PreviewEvent(msgspec.Struct, tag_field="type", tag="preview"):
    """A sample as it stands; its data follows."""

    output: WireOutput
    elapsed_ms: float


class CompletedEvent(WireAnswer, tag_field="type", tag="completed"):
    """The answer; the data of its samples follow, one after another."""


class ErrorEvent(msgspec.Struct, tag_field="type", tag="error"):
    """The request has failed."""

    problem: Problem


Event = AcceptedEvent | PreviewEvent | CompletedEvent | ErrorEvent


class ModelList(msgspec.Struct):
    """What models the server has, on the wire."""

    models: tuple[Model, ...]


def decoded(content: bytes | str, kind: type[Wire]) -> Wire:
    """Content as JSON of a kind. Raises NotUnderstood."""
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotUnderstood(f"the answer is not one of an anytime server: {error}") from error


def event_of(text: str) -> Event:
    """An event of a stream. Raises NotUnderstood."""
    return decoded(text, Event)  # type: ignore[arg-type]


def answer_of(wire: WireAnswer, request: Request, client_ms: float, frame: bytes | None = None) -> Answer:
    """The answer to a request.

    Args:
        frame: the data of all samples, if they came apart from their facts.
        client_ms: since the call.

    Raises:
        NotUnderstood: there are no samples, or the frame is not as long as they are.
    """
    if not wire.outputs:
        raise NotUnderstood("the answer holds no samples")
    data = [each.b64 for each in wire.outputs] if frame is None else _cut(frame, [each.size for each in wire.outputs])
    return Answer(
        id=wire.id,
        model=wire.model,
        outputs=tuple(
            output_of(each, content, wire.model, wire.version, request)
            for each, content in zip(wire.outputs, data, strict=True)
        ),
        deadline_ms=wire.deadline_ms,
        timing=wire.timing,
        client_ms=client_ms,
    )


def preview_of(wire: PreviewEvent, request: Request, accepted: Accepted, frame: bytes) -> Preview:
    """A preview of a request's sample. Raises NotUnderstood if the frame is not as long as that."""
    (data,) = _cut(frame, [wire.output.size])
    output = output_of(wire.output, data, accepted.model, accepted.version, request)
    return Preview(output=output, elapsed_ms=wire.elapsed_ms)


def output_of(wire: WireOutput, data: bytes, model: str, version: str | None, request: Request) -> Output:
    """One sample, with what the request has said of it."""
    asked: Mapping[str, float] = request.fields
    return Output(
        model=model,
        version=version,
        seed=wire.seed,
        index=wire.index,
        label=wire.label,
        codes=wire.codes,
        codes_total=wire.codes_total,
        temperature=asked.get("temperature"),
        top_k=request.fields.get("top_k"),
        top_p=asked.get("top_p"),
        scale=request.fields.get("scale", 1),
        expected_quality=wire.expected_quality,
        stop_reason=wire.stop_reason,
        media_type=wire.media_type,
        data=data,
    )


def accepted_of(wire: AcceptedEvent) -> Accepted:
    """What is known as soon as the server has taken a request."""
    return msgspec.convert(wire, Accepted, from_attributes=True)


def _cut(frame: bytes, sizes: list[int]) -> list[bytes]:
    if sum(sizes) != len(frame):
        raise NotUnderstood(f"the samples have {len(frame)} bytes and not the {sum(sizes)} that were announced")
    ends = [sum(sizes[: place + 1]) for place in range(len(sizes))]
    return [frame[end - size : end] for end, size in zip(ends, sizes, strict=True)]
