"""A text in a WebP file: an XMP chunk, for which the file has to be one of the extended kind."""

from __future__ import annotations

import struct

from service.client.containers import riff, xmp

_ALPHA, _XMP = 0x10, 0x04


def put(data: bytes, text: str) -> bytes:
    """The file with a text in it."""
    kind, chunks = riff.read(data)
    header, *rest = chunks if chunks[0][0] == b"VP8X" else [(b"VP8X", _header(*chunks[0])), *chunks]
    flags = bytes([header[1][0] | _XMP]) + header[1][1:]
    others = [each for each in rest if each[0] != b"XMP "]
    return riff.write(kind, [(b"VP8X", flags), *others, (b"XMP ", xmp.packet(text))])


def get(data: bytes) -> str | None:
    """The text in a file."""
    _, chunks = riff.read(data)
    return next((xmp.text_in(content) for name, content in chunks if name == b"XMP "), None)


def _header(name: bytes, picture: bytes) -> bytes:
    """The extended header for a file that has only a picture: flags, and its width and height less one, in 24 bits."""
    if name == b"VP8L":
        signature, bits = struct.unpack_from("<BI", picture)
        if signature != 0x2F:
            raise ValueError("its picture is none")
        width, height, flags = bits & 0x3FFF, bits >> 14 & 0x3FFF, _ALPHA if bits >> 28 & 1 else 0
    elif name == b"VP8 ":
        start, across, down = struct.unpack_from("<3sHH", picture, 3)
        if start != b"\x9d\x01\x2a":
            raise ValueError("its picture is none")
        width, height, flags = (across & 0x3FFF) - 1, (down & 0x3FFF) - 1, 0
    else:
        raise ValueError("it does not begin with a picture")
    return bytes([flags, 0, 0, 0]) + b"".join(struct.pack("<I", each)[:3] for each in (width, height))
