"""Vorbis comments, the metadata of FLAC and Ogg: a vendor, and texts of the form NAME=value."""

from __future__ import annotations

import struct

_OURS = b"ANYTIME="


def put(comments: bytes, text: str) -> bytes:
    """Comments with a text among them."""
    vendor, texts = _read(comments)
    kept = [each for each in texts if not _is_ours(each)] + [_OURS + text.encode("ascii")]
    return _counted(vendor) + struct.pack("<I", len(kept)) + b"".join(map(_counted, kept))


def get(comments: bytes) -> str | None:
    """The text among comments."""
    _, texts = _read(comments)
    return next((each[len(_OURS) :].decode("ascii") for each in texts if _is_ours(each)), None)


def empty() -> bytes:
    """No comments."""
    return _counted(b"anytime") + struct.pack("<I", 0)


def length(comments: bytes) -> int:
    """How many bytes of these are comments."""
    vendor, texts = _read(comments)
    return 8 + len(vendor) + sum(4 + len(each) for each in texts)


def _is_ours(text: bytes) -> bool:
    return text[: len(_OURS)].upper() == _OURS


def _read(comments: bytes) -> tuple[bytes, list[bytes]]:
    vendor, place = _text_at(comments, 0)
    (count,) = struct.unpack_from("<I", comments, place)
    place += 4
    texts: list[bytes] = []
    for _ in range(count):
        text, place = _text_at(comments, place)
        texts.append(text)
    return vendor, texts


def _text_at(comments: bytes, place: int) -> tuple[bytes, int]:
    (size,) = struct.unpack_from("<I", comments, place)
    text = comments[place + 4 : place + 4 + size]
    if len(text) != size:
        raise ValueError("a comment is cut off")
    return text, place + 4 + size


def _counted(text: bytes) -> bytes:
    return struct.pack("<I", len(text)) + text
