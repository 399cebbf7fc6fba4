"""A text in a JPEG file: an XMP packet in a segment of its own."""

from __future__ import annotations

import struct

from service.client.containers import xmp

_START, _SCAN = b"\xff\xd8", 0xDA
_JFIF, _APP1 = 0xE0, 0xE1
_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_LONGEST = 65_533  # bytes of a segment


def put(data: bytes, text: str) -> bytes:
    """The file with a text in it. Raises ValueError also if it is too long for a segment."""
    segments, rest = _segments(data)
    content = _XMP + xmp.packet(text)
    if len(content) > _LONGEST:
        raise ValueError("JPEG has no room for so many codes; another format has")
    kept = [each for each in segments if _text_in(*each) is None]
    place = 1 if kept and kept[0][0] == _JFIF else 0
    kept.insert(place, (_APP1, content))
    return _START + b"".join(struct.pack(">BBH", 0xFF, mark, len(each) + 2) + each for mark, each in kept) + rest


def get(data: bytes) -> str | None:
    """The text in a file."""
    segments, _ = _segments(data)
    return next((text for each in segments if (text := _text_in(*each)) is not None), None)


def _text_in(mark: int, content: bytes) -> str | None:
    return xmp.text_in(content) if mark == _APP1 and content.startswith(_XMP) else None


def _segments(data: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """Mark and content of the segments before the picture's data, and the file from there on."""
    found: list[tuple[int, bytes]] = []
    place = len(_START)
    while True:
        escape, mark, length = struct.unpack_from(">BBH", data, place)
        content = data[place + 4 : place + 2 + length]
        if escape != 0xFF or length < 2 or len(content) != length - 2:
            raise ValueError("a segment is cut off")
        if mark == _SCAN:
            return found, data[place:]
        found.append((mark, content))
        place += 2 + length
