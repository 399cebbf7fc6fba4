"""What a request to encode means, and what it is answered with."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import parse_qsl

from msgspec import UNSET
from pydantic import ValidationError

from models.bundle.reader import AnyManifest
from models.packed import most_codes, pack, packed_bytes
from service.api.account import Account
from service.api.answers import CurvePoint, EncodeAnswer, EncodeTimingAnswer
from service.api.codec_schemas import EncodeOptions
from service.api.problems import UnsupportedMediaType, from_validation, invalid_field
from service.codec import Errand
from service.encode import MEDIA_TYPES, formats_of, media_type_of
from service.errors import Malformed, UnusableMedia
from service.messages import Encoded

_WHOLE = re.compile(r"[0-9]{1,15}")
_NUMBER = re.compile(r"[0-9]{1,15}(\.[0-9]{0,15})?([eE][+-]?[0-9]{1,3})?")
_MOST_OPTIONS = 32


class Wanted(NamedTuple):
    """A request that can be met.

    Attributes:
        codes: how many are answered.
        lengths: numbers of codes, ascending, whose errors are.
    """

    manifest: AnyManifest
    codes: int
    lengths: list[int]


def options_of(query: bytes) -> EncodeOptions:
    """The options in a query. Raises the problem of one that cannot be read, is unknown or out of bounds."""
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_OPTIONS)
    except ValueError as error:
        raise Malformed("The query cannot be read.") from error
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise invalid_field(name, "is given more than once")
    try:
        return EncodeOptions.model_validate({name: _TYPED.get(name, str)(text) for name, text in pairs})
    except ValidationError as error:
        raise from_validation(error) from error


def wanted_of(options: EncodeOptions, manifest: AnyManifest) -> Wanted:
    """What the options mean for a model. Raises InvalidField if they are out of its bounds."""
    if not manifest.encodes:
        raise invalid_field("model", f"must be one that encodes, and {manifest.reference} only draws and decodes")
    codes = manifest.codes
    if options.codes is not None:
        if options.codes > codes:
            raise invalid_field("codes", f"must be at most {codes}, the codes of a complete sample")
        codes = options.codes
    if options.bytes is not None:
        fitting = most_codes(options.bytes, manifest)
        if not fitting:
            raise invalid_field("bytes", f"must be at least {packed_bytes(1, manifest)}, which one code takes")
        codes = min(codes, fitting)
    lengths = list(range(1, manifest.codes + 1)) if options.curve else [codes]
    return Wanted(manifest, codes, lengths)


def check_file(data: bytes, declared: str | None, manifest: AnyManifest) -> str:
    """The media type of a file, by its first bytes, which is one that the model's samples may have.

    Args:
        declared: what the client says it is; None if it says nothing.

    Raises:
        UnsupportedMediaType: what it is declared to be is none.
        UnusableMedia: what it is, is none, or not what it is declared to be.
    """
    taken = [MEDIA_TYPES[name] for name in formats_of(manifest.media)]
    listed = f"{', '.join(taken[:-1])} or {taken[-1]}"
    if declared is not None and declared not in taken:
        raise UnsupportedMediaType(f"The body must be {listed} for this model, or JSON with such a file in base64.")
    found = media_type_of(data)
    if found not in taken or declared not in (None, found):
        raise UnusableMedia(f"The file must be {declared or listed}, and is {found or 'none that is known'}.")
    return found


def encode_answer(encoded: Encoded, errand: Errand, wanted: Wanted, account: Account) -> EncodeAnswer:
    """The answer to a request."""
    manifest, count = wanted.manifest, wanted.codes
    points = [
        _point(length, error, manifest) for length, error in zip(wanted.lengths, encoded.squared_errors, strict=True)
    ]
    (here,) = (point for point in points if point.codes == count)
    codes = encoded.codes[:count]
    return EncodeAnswer(
        id=errand.id,
        model=manifest.name,
        version=manifest.version,
        codes=codes,
        codes_total=manifest.codes,
        packed=pack(codes, manifest),
        size=here.size,
        expected_quality=here.expected_quality,
        squared_error=here.squared_error,
        psnr_db=here.psnr_db,
        deadline_ms=account.deadline_ms,
        timing=_timing(encoded, errand, account),
        curve=points if len(wanted.lengths) > 1 else UNSET,
    )


def timing_header(timing: EncodeTimingAnswer) -> str:
    """The value of `Server-Timing` (W3C)."""
    return (
        f"queue;dur={timing.queue_ms:.3f}, read;dur={timing.read_ms:.3f}, encode;dur={timing.encode_ms:.3f}, "
        f"decode;dur={timing.decode_ms:.3f}, total;dur={timing.total_ms:.3f}"
    )


def _point(length: int, error: float, manifest: AnyManifest) -> CurvePoint:
    return CurvePoint(
        codes=length,
        size=packed_bytes(length, manifest),
        expected_quality=round(manifest.quality_curve[length], 6),
        squared_error=round(error, 6),
        psnr_db=round(10 * math.log10(math.prod(manifest.media.shape) / error), 3) if error > 0 else None,
    )


def _timing(encoded: Encoded, errand: Errand, account: Account) -> EncodeTimingAnswer:
    waited = (account.arrival if errand.sent is None else errand.sent) - account.arrival
    return EncodeTimingAnswer(
        queue_ms=round(1000 * waited, 3),
        read_ms=round(encoded.timing.read_ms, 3),
        encode_ms=round(encoded.timing.encode_ms, 3),
        decode_ms=round(encoded.timing.decode_ms, 3),
        total_ms=round(account.elapsed_ms(), 3),
    )


def _whole(text: str) -> int | str:
    return int(text) if _WHOLE.fullmatch(text) else text


def _number(text: str) -> float | str:
    return float(text) if _NUMBER.fullmatch(text) else text


def _flag(text: str) -> bool | str:
    return {"true": True, "false": False}.get(text, text)


# What is no such number or word stays text, and is refused as that.
_TYPED: dict[str, Callable[[str], object]] = {
    "codes": _whole,
    "bytes": _whole,
    "deadline_ms": _number,
    "curve": _flag,
}
