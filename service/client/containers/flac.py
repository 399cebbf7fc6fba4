"""A text in a FLAC file: among the Vorbis comments, which have a block of their own before the sound."""

from __future__ import annotations

import struct

from service.client.containers import vorbis

_MARK, _LAST, _COMMENTS = b"fLaC", 0x80, 4


def put(data: bytes, text: str) -> bytes:
    """The file with a text in it."""
    blocks, sound = _read(data)
    if not any(kind == _COMMENTS for kind, _ in blocks):
        blocks.append((_COMMENTS, vorbis.empty()))
    written = [(kind, vorbis.put(content, text) if kind == _COMMENTS else content) for kind, content in blocks]
    last = len(written) - 1
    heads = [
        struct.pack(">I", (kind | (_LAST if place == last else 0)) << 24 | len(content)) + content
        for place, (kind, content) in enumerate(written)
    ]
    return _MARK + b"".join(heads) + sound


def get(data: bytes) -> str | None:
    """The text in a file."""
    blocks, _ = _read(data)
    return next((vorbis.get(content) for kind, content in blocks if kind == _COMMENTS), None)


def _read(data: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """Kind and content of the blocks, and the file from the sound on."""
    blocks: list[tuple[int, bytes]] = []
    place, last = len(_MARK), False
    while not last:
        (head,) = struct.unpack_from(">I", data, place)
        kind, length = head >> 24, head & 0xFFFFFF
        content = data[place + 4 : place + 4 + length]
        if len(content) != length:
            raise ValueError("a block is cut off")
        blocks.append((kind & ~_LAST, content))
        place, last = place + 4 + length, bool(kind & _LAST)
    return blocks, data[place:]
