"""From codes that a client wants decoded to what the pool is given."""

from __future__ import annotations

import binascii
from collections.abc import Iterator, Sequence
from itertools import islice

from models.bundle.reader import AnyManifest
from models.packed import PackedError, unpack
from service import messages
from service.api.codec_schemas import DecodeRequest
from service.api.problems import invalid_field
from service.api.resolve import (
    Resolved,
    problem_of_values,
    problems_of_encoding,
    problems_of_size,
    refuse_if_any,
)
from service.encode import formats_of
from service.pool import Generation
from service.settings import Settings


def resolve_codes(
    request: DecodeRequest, manifest: AnyManifest, settings: Settings, *, file_format: str | None = None
) -> Resolved:
    """Check a request to decode against its model and the server's limits.

    Args:
        file_format: instead of the body's, if content negotiation chose one of the model's.

    Raises:
        InvalidField: every field that is out of bounds, in one error.
    """
    file_format = file_format or request.format or formats_of(manifest.media)[0]
    if request.samples > settings.max_samples:
        raise invalid_field(request.given_as, f"must make at most {settings.max_samples} samples on this server")
    rows = request.rows or _unpacked(request.packed_rows, manifest)
    refuse_if_any(_problems(request, rows, manifest, settings, file_format))
    wanted = tuple(tuple(row[:length]) for row in rows for length in request.lengths or [len(row)])
    generation = Generation(
        model=manifest.identity,
        n=len(wanted),
        sampling=messages.Sampling(seed=0, label=None, temperature=1.0, top_k=0, top_p=1.0, whole=wanted),
        encoding=messages.Encoding(format=file_format, scale=request.scale),
        min_codes=1,
        max_codes=manifest.codes,
        priority=request.priority,
    )
    return Resolved(manifest, generation, label=None, drawn=False)


def decode_base64(field: str, text: str) -> bytes:
    """The bytes of a field. Raises InvalidField if it is not base64."""
    try:
        return binascii.a2b_base64(text.encode("ascii"), strict_mode=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise invalid_field(field, "must be base64, with its padding and nothing else") from error


def _unpacked(texts: Sequence[str], manifest: AnyManifest) -> list[list[int]]:
    try:
        return [unpack(decode_base64("packed", text), manifest) for text in texts]
    except PackedError as error:
        raise invalid_field("packed", str(error)) from error


def _problems(
    request: DecodeRequest, rows: Sequence[Sequence[int]], manifest: AnyManifest, settings: Settings, file_format: str
) -> Iterator[tuple[str, str]]:
    yield from islice(_problems_of_rows(request.given_as, rows, manifest), 1)
    shortest = min(map(len, rows))
    if any(length > shortest for length in request.lengths or ()):
        yield "lengths", f"must each be at most {shortest}, the codes that are given"
    yield from problems_of_encoding(request, manifest.media, settings, file_format)
    yield from problems_of_size(
        request.scale, request.samples, manifest.media, settings, file_format, counted_by=request.given_as
    )


def _problems_of_rows(field: str, rows: Sequence[Sequence[int]], manifest: AnyManifest) -> Iterator[tuple[str, str]]:
    for row in rows:
        if not 1 <= len(row) <= manifest.codes:
            yield field, f"must be from 1 to {manifest.codes} codes for each sample"
        if problem := problem_of_values(row, manifest):
            yield field, problem
