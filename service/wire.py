"""Messages on the socket between the API process and a worker: msgpack, each behind its length.

A plain socket pair needs no thread and no address: a message is there when the kernel says so, nobody else can connect,
and when either process is gone, however it went, the other reads the end of the stream.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Generic, TypeVar

import msgspec

Incoming = TypeVar("Incoming")

CHUNK = 1 << 18
"""Bytes to ask the kernel for at once."""

_LENGTH = struct.Struct("<I")


class Wire(Generic[Incoming]):
    """Writes messages, and reads them from the pieces in which they arrive.

    Args:
        incoming: the type, or union, of what the other side sends.
    """

    def __init__(self, incoming: object) -> None:
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder: msgspec.msgpack.Decoder[Incoming] = msgspec.msgpack.Decoder(incoming)
        self._rest = bytearray()

    def pack(self, message: msgspec.Struct) -> bytes:
        """A message as it is to be sent."""
        data = self._encoder.encode(message)
        return _LENGTH.pack(len(data)) + data

    def unpack(self, data: bytes) -> Iterator[Incoming]:
        """The messages that are complete with this piece.

        Raises:
            msgspec.DecodeError: one of them cannot be read.
        """
        self._rest += data
        while len(self._rest) >= _LENGTH.size:
            end = _LENGTH.size + _LENGTH.unpack_from(self._rest)[0]
            if len(self._rest) < end:
                return
            message = bytes(self._rest[_LENGTH.size : end])
            del self._rest[:end]
            yield self._decoder.decode(message)
