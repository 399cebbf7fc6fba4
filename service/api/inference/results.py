"""From samples to output tensors, and to the answer on the wire."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.bundle.reader import AnyManifest
from service import messages
from service.api.inference.schemas import (
    AnswerParameters,
    AskedOutput,
    InferAnswer,
    OutputFacts,
    OutputTensor,
)
from service.api.inference.tensors import Packed, as_binary, as_list
from service.api.intake import Taken
from service.api.negotiation import JSON
from service.api.problems import invalid_field
from service.encode import MEDIA_TYPES

ENCODED = "encoded"
BINARY = "application/octet-stream"
HEADER_LENGTH = b"inference-header-content-length"
PADDING = -1
_ENCODER = msgspec.json.Encoder()


class Described(NamedTuple):
    """A tensor as metadata list it: -1 stands for the samples of a request."""

    name: str
    datatype: str
    shape: list[int]


def outputs_of(manifest: AnyManifest) -> list[Described]:
    """What a model gives. `encoded` is the samples as files, in the place of their numbers, and only if asked for."""
    return [
        Described(manifest.media.type, "FP32", [-1, *manifest.media.shape]),
        Described("codes", "INT32", [-1, manifest.codes]),
        Described("codes_count", "INT32", [-1]),
        Described("expected_quality", "FP32", [-1]),
        Described("stop_reason", "BYTES", [-1]),
        Described("seed", "INT64", [-1]),
        Described(ENCODED, "BYTES", [-1]),
    ]


def wanted(outputs: Sequence[AskedOutput], manifest: AnyManifest, binary: bool) -> dict[str, bool]:
    """The outputs to send, and whether as binary data; all but `encoded` if none is named.

    Args:
        binary: for those that do not say.

    Raises:
        InvalidField: there is no such output, or samples are asked for both as numbers and as files.
    """
    names = [each.name for each in outputs_of(manifest)]
    if not outputs:
        return dict.fromkeys((name for name in names if name != ENCODED), binary)
    chosen = {
        each.name: binary if each.parameters.binary_data is None else each.parameters.binary_data for each in outputs
    }
    if unknown := chosen.keys() - names:
        raise invalid_field("outputs", f"must be among {', '.join(names)}; {min(unknown)[:80]!r} is not")
    if {manifest.media.type, ENCODED} <= chosen.keys():
        raise invalid_field("outputs", f"must be either {manifest.media.type} or {ENCODED}: samples are sent once")
    return chosen


def written(
    taken: Sequence[Taken],
    outputs: Sequence[messages.Output],
    chosen: Mapping[str, bool],
    request_id: str,
    deadline_ms: float,
) -> tuple[bytes, bytes, list[tuple[bytes, bytes]]]:
    """The body of an answer, its media type, and the headers that it needs.

    Args:
        outputs: the samples of all that was taken, in order.
        chosen: which tensors to send, and whether as binary data.
        request_id: the client's name for the request; empty for the server's own.
    """
    tensors, parts = [], []
    for name, binary in chosen.items():
        packed = _WRITERS.get(name, _numbers)(name, taken, outputs)
        facts = OutputFacts(media_type=packed.media_type)
        if binary:
            parts.append(as_binary(packed))
            facts.binary_data_size = len(parts[-1])
        elif packed.media_type:
            facts.content_type = "base64"
        tensor = OutputTensor(packed.name, list(packed.shape), packed.datatype)
        if facts != OutputFacts():
            tensor.parameters = facts
        if not binary:
            tensor.data = as_list(packed)
        tensors.append(tensor)
    manifest = taken[0].resolved.manifest
    answer = InferAnswer(
        model_name=manifest.name,
        model_version=manifest.version,
        id=request_id or taken[0].ticket.id,
        parameters=AnswerParameters(deadline_ms),
        outputs=tensors,
    )
    head = _ENCODER.encode(answer)
    if not any(chosen.values()):
        return head, JSON.encode(), []
    return b"".join((head, *parts)), BINARY.encode(), [(HEADER_LENGTH, str(len(head)).encode())]


def _numbers(name: str, taken: Sequence[Taken], outputs: Sequence[messages.Output]) -> Packed:
    """The samples as the decoder gave them: (n, *media shape) float32."""
    shape = taken[0].resolved.manifest.media.shape
    samples: list[NDArray[Any]] = [np.load(io.BytesIO(each.data), allow_pickle=False) for each in outputs]
    return Packed(name, "FP32", (len(samples), *shape), np.stack(samples))


def _files(name: str, taken: Sequence[Taken], outputs: Sequence[messages.Output]) -> Packed:
    media_type = MEDIA_TYPES[taken[0].resolved.generation.encoding.format]
    return Packed(name, "BYTES", (len(outputs),), [each.data for each in outputs], media_type)


def _codes(name: str, taken: Sequence[Taken], outputs: Sequence[messages.Output]) -> Packed:
    """(n, K) int32; what a sample lacks is `PADDING`."""
    codes = np.full((len(outputs), taken[0].resolved.manifest.codes), PADDING, np.int32)
    for row, each in zip(codes, outputs, strict=True):
        row[: len(each.codes)] = each.codes
    return Packed(name, "INT32", codes.shape, codes)


def _codes_count(name: str, _taken: Sequence[Taken], outputs: Sequence[messages.Output]) -> Packed:
    return Packed(name, "INT32", (len(outputs),), np.array([len(each.codes) for each in outputs], np.int32))


def _expected_quality(name: str, _taken: Sequence[Taken], outputs: Sequence[messages.Output]) -> Packed:
    return Packed(name, "FP32", (len(outputs),), np.array([each.expected_quality for each in outputs], np.float32))


def _stop_reason(name: str, _taken: Sequence[Taken], outputs: Sequence[messages.Output]) -> Packed:
    return Packed(name, "BYTES", (len(outputs),), [each.stop_reason.encode() for each in outputs])


def _seed(name: str, taken: Sequence[Taken], outputs: Sequence[messages.Output]) -> Packed:
    asked = [each.resolved.generation for each in taken]
    seeds = [generation.sampling.seed for generation in asked for _ in range(generation.n)]
    return Packed(name, "INT64", (len(outputs),), np.array(seeds, np.int64))


_WRITERS: dict[str, Callable[[str, Sequence[Taken], Sequence[messages.Output]], Packed]] = {
    "codes": _codes,
    "codes_count": _codes_count,
    "expected_quality": _expected_quality,
    "stop_reason": _stop_reason,
    "seed": _seed,
    ENCODED: _files,
}
