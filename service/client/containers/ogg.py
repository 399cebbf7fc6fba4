"""A text in an Ogg Vorbis file: among the comments, the second packet of the stream.

The packets of the header are put into pages anew, and the pages of sound after them, which are not changed otherwise,
get new numbers and with them new checksums (RFC 3533).
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from service.client.containers import vorbis

_HEAD = "<4sBBqIIIB"  # OggS, version, flags, granule position, stream, number, checksum, segments
_HEAD_BYTES = struct.calcsize(_HEAD)
_CONTINUED = 0x01
_FULL = 255  # bytes of a segment that does not end its packet, and segments of a page that is full
_COMMENTS = b"\x03vorbis"
_POLYNOMIAL = 0x04C11DB7


class _Page(NamedTuple):
    flags: int
    position: int
    stream: int
    lacing: bytes
    content: bytes


def put(data: bytes, text: str) -> bytes:
    """The file with a text in it."""
    first, *pages = _pages(data)
    packets, sound = _header(pages)
    comments, setup = packets
    head = comments[len(_COMMENTS) :]
    written = _COMMENTS + vorbis.put(head, text) + head[vorbis.length(head) :]  # the last bit says that it is whole
    fresh = [first, *_paged((written, setup), first.stream), *sound]
    return b"".join(_bytes(page, number) for number, page in enumerate(fresh))


def get(data: bytes) -> str | None:
    """The text in a file."""
    _, *pages = _pages(data)
    (comments, _), _ = _header(pages)
    return vorbis.get(comments[len(_COMMENTS) :])


def _pages(data: bytes) -> list[_Page]:
    """The pages of a file of one stream. Raises ValueError if they do not match their checksums."""
    pages: list[_Page] = []
    place = 0
    while place < len(data):
        mark, _, flags, position, stream, number, check, segments = struct.unpack_from(_HEAD, data, place)
        lacing = data[place + _HEAD_BYTES : place + _HEAD_BYTES + segments]
        start = place + _HEAD_BYTES + segments
        place = start + sum(lacing)
        page = _Page(flags, position, stream, lacing, data[start:place])
        if mark != b"OggS" or stream != (pages[0].stream if pages else stream) or _check(page, number) != check:
            raise ValueError("a page does not match its checksum, or is of another stream")
        pages.append(page)
    return pages


def _header(pages: list[_Page]) -> tuple[tuple[bytes, bytes], list[_Page]]:
    """The packets of comments and set-up, and the pages of sound after them."""
    packets, packet = list[bytes](), b""
    for used, page in enumerate(pages, 1):
        place = 0
        for size in page.lacing:
            packet += page.content[place : place + size]
            place += size
            if size < _FULL:
                packets.append(packet)
                packet = b""
        if len(packets) >= 2:
            comments, setup, *more = packets
            if more or packet or not comments.startswith(_COMMENTS):
                raise ValueError("it is not Ogg Vorbis")
            return (comments, setup), pages[used:]
    raise ValueError("its header is cut off")


def _paged(packets: tuple[bytes, ...], stream: int) -> list[_Page]:
    """Packets in as few pages as will hold them."""
    lacing = b"".join(bytes([_FULL]) * (len(each) // _FULL) + bytes([len(each) % _FULL]) for each in packets)
    content, pages = b"".join(packets), list[_Page]()
    for start in range(0, len(lacing), _FULL):
        part = lacing[start : start + _FULL]
        continued = start > 0 and lacing[start - 1] == _FULL
        # A page in which no packet ends has no position.
        position = 0 if min(part) < _FULL else -1
        pages.append(_Page(_CONTINUED if continued else 0, position, stream, part, content[: sum(part)]))
        content = content[sum(part) :]
    return pages


def _bytes(page: _Page, number: int) -> bytes:
    head = struct.pack(
        _HEAD, b"OggS", 0, page.flags, page.position, page.stream, number, _check(page, number), len(page.lacing)
    )
    return head + page.lacing + page.content


def _check(page: _Page, number: int) -> int:
    """The checksum: CRC-32 of the page with zeros in its place, most significant bit first, from 0 and not inverted."""
    head = struct.pack(_HEAD, b"OggS", 0, page.flags, page.position, page.stream, number, 0, len(page.lacing))
    register = 0
    for byte in head + page.lacing + page.content:
        register = (register << 8) & 0xFFFFFFFF ^ _TABLE[register >> 24 ^ byte]
    return register


def _entry(byte: int) -> int:
    register = byte << 24
    for _ in range(8):
        register = (register << 1) & 0xFFFFFFFF ^ (_POLYNOMIAL if register >> 31 else 0)
    return register


_TABLE = [_entry(byte) for byte in range(256)]
