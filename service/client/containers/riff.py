"""RIFF, in which WAV and WebP are written: chunks of a name, a length and so many bytes, padded to an even number."""

from __future__ import annotations

import struct
from collections.abc import Iterable

Chunk = tuple[bytes, bytes]
"""The name, and what is in it."""


def read(data: bytes) -> tuple[bytes, list[Chunk]]:
    """What kind of file it is, and its chunks. Raises ValueError if they do not fill it, or one is cut off."""
    riff, length, kind = struct.unpack_from("<4sI4s", data)
    if riff != b"RIFF" or length + 8 > len(data):
        raise ValueError("it is shorter than it says")
    return kind, chunks(data[12 : length + 8])


def chunks(data: bytes) -> list[Chunk]:
    """The chunks, one after another."""
    found: list[Chunk] = []
    place = 0
    while place < len(data):
        name, length = struct.unpack_from("<4sI", data, place)
        content = data[place + 8 : place + 8 + length]
        if len(content) != length:
            raise ValueError("a chunk is cut off")
        found.append((name, content))
        place += 8 + length + length % 2
    return found


def write(kind: bytes, parts: Iterable[Chunk]) -> bytes:
    """A file of a kind."""
    content = kind + joined(parts)
    return b"RIFF" + struct.pack("<I", len(content)) + content


def joined(parts: Iterable[Chunk]) -> bytes:
    """Chunks, one after another."""
    return b"".join(
        name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2) for name, content in parts
    )
