"""A text in a PNG file: an iTXt chunk before the end."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_NAME = b"anytime\0"
_HEAD = _NAME + b"\0\0\0\0"  # not compressed, in no language, under no other name


def put(data: bytes, text: str) -> bytes:
    """The file with a text in it."""
    kept = [(kind, content) for kind, content in _chunks(data) if not _ours(kind, content)]
    place = next(place for place, (kind, _) in enumerate(kept) if kind == b"IEND")
    kept.insert(place, (b"iTXt", _HEAD + text.encode("ascii")))
    return _SIGNATURE + b"".join(_chunk(kind, content) for kind, content in kept)


def get(data: bytes) -> str | None:
    """The text in a file."""
    for kind, content in _chunks(data):
        if _ours(kind, content):
            if not content.startswith(_HEAD):
                raise ValueError("its chunk is not written as ours are")
            return content[len(_HEAD) :].decode("ascii")
    return None


def _ours(kind: bytes, content: bytes) -> bool:
    return kind == b"iTXt" and content.startswith(_NAME)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of every chunk, up to the last; what comes after is no part of the picture."""
    place, kind = len(_SIGNATURE), b""
    while kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", data, place)
        content = data[place + 8 : place + 8 + length]
        (check,) = struct.unpack_from(">I", data, place + 8 + length)
        if check != zlib.crc32(content, zlib.crc32(kind)):
            raise ValueError("a chunk does not match its checksum")
        yield kind, content
        place += 12 + length


def _chunk(kind: bytes, content: bytes) -> bytes:
    check = zlib.crc32(content, zlib.crc32(kind))
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)
