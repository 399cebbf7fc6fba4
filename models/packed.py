"""Codes in as few bytes as a fixed length for each allows.

    byte 0        0xA7: codes, of this format
    bytes 1, 2    which model they are of: the first two of SHA-256 over its name, its version and the SHA-256 of its
                  autoencoder's weights (of a hierarchy, of each level's, from the pixels upwards), as they stand in
                  `bundle.json`, with a line feed between
    then          how many codes there are, as LEB128: seven bits a byte, the low ones first, the highest bit set in all
                  but the last
    then          every code in b bits, the smallest b with 2^b >= C, the most values that any code has, highest bit
                  first, one after another; the last byte is filled up with zeros

Codes mean something to one autoencoder only, hence the mark; two bytes of it tell a mistake in all but one case of
65,536. An arithmetic coder with the prior for a model of the codes would need about as many bits as the prior is
surprised by, which is fewer. But it would have to compute the prior's probabilities to the same bit wherever codes are
packed and unpacked, which no two executors do.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Sequence

from models.bundle.reader import AnyManifest

_FORMAT = 0xA7
_MARK = 2  # bytes
_LONGEST_COUNT = 5  # bytes, which hold any number of codes that a model may have


class PackedError(Exception):
    """Bytes that are no packed codes of the model; the message says why, to whoever sent them."""


def pack(codes: Sequence[int], manifest: AnyManifest) -> bytes:
    """Codes of a model, each 0 .. C - 1, as bytes."""
    width = code_bits(manifest)
    number = 0
    for code in codes:
        number = number << width | code
    bits = width * len(codes)
    number <<= -bits % 8
    return bytes([_FORMAT]) + _mark(manifest) + _count(len(codes)) + number.to_bytes((bits + 7) // 8, "big")


def unpack(data: bytes, manifest: AnyManifest) -> list[int]:
    """The codes that `pack` made bytes of.

    Raises:
        PackedError: they are of another format or model, or not whole.
    """
    if data[:1] != bytes([_FORMAT]):
        raise PackedError("are not packed codes")
    if data[1 : 1 + _MARK] != _mark(manifest):
        raise PackedError(f"are not of the model {manifest.name}, version {manifest.version}, as it is served here")
    count, start = _read_count(data, 1 + _MARK)
    width = code_bits(manifest)
    if count > manifest.codes:
        raise PackedError(f"are {count} codes, and the model has {manifest.codes}")
    if len(data) != start + (width * count + 7) // 8:
        raise PackedError("are cut short, or go on past their end")
    number = int.from_bytes(data[start:], "big")
    spare = -(width * count) % 8
    codes = [number >> spare + width * place & (1 << width) - 1 for place in reversed(range(count))]
    fit = all(code < values for code, values in zip(codes, manifest.code_values, strict=False))
    if not fit or pack(codes, manifest) != data:
        raise PackedError("are damaged")
    return codes


def packed_bytes(count: int, manifest: AnyManifest) -> int:
    """How many bytes so many codes take."""
    return 1 + _MARK + len(_count(count)) + (code_bits(manifest) * count + 7) // 8


def most_codes(budget: int, manifest: AnyManifest) -> int:
    """The most codes of a model, 0 .. K, that fit into so many bytes."""
    fitting = bisect_right(range(manifest.codes + 1), budget, key=lambda count: packed_bytes(count, manifest))
    return max(fitting - 1, 0)


def code_bits(manifest: AnyManifest) -> int:
    """Bits that a code takes."""
    return (manifest.most_values - 1).bit_length()


def _mark(manifest: AnyManifest) -> bytes:
    weights = [manifest.files[name].sha256 if name in manifest.files else "" for name in manifest.decoding]
    return hashlib.sha256("\n".join((manifest.name, manifest.version, *weights)).encode()).digest()[:_MARK]


def _count(count: int) -> bytes:
    groups = [count >> shift & 0x7F for shift in range(0, max(count.bit_length(), 1), 7)]
    return bytes([*(group | 0x80 for group in groups[:-1]), groups[-1]])


def _read_count(data: bytes, start: int) -> tuple[int, int]:
    """The number that begins at a byte, and where it ends."""
    count = 0
    for place, byte in enumerate(data[start : start + _LONGEST_COUNT]):
        count |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return count, start + place + 1
    raise PackedError("are cut short")
