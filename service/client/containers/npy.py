"""A text in a NumPy file: a second array, of bytes, after the first, as `np.save` appends it to an open file."""

from __future__ import annotations

import ast
import math
import re
import struct
from typing import NamedTuple

_MAGIC = b"\x93NUMPY"
_ALIGNED = 64  # bytes, to a multiple of which a header is filled up
_LONGEST = 10_000  # bytes of a header, as for NumPy
_OURS = b'{"anytime":'


class _Array(NamedTuple):
    start: int
    end: int
    kind: str


def put(data: bytes, text: str) -> bytes:
    """The file with a text in it."""
    content = text.encode("ascii")
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({len(content)},), }}"
    length = -(-(len(_MAGIC) + 4 + len(header) + 1) // _ALIGNED) * _ALIGNED - len(_MAGIC) - 4
    head = _MAGIC + struct.pack("<BBH", 1, 0, length) + header.ljust(length - 1).encode() + b"\n"
    return data[: _first(data).end] + head + content


def get(data: bytes) -> str | None:
    """The text in a file."""
    rest = data[_first(data).end :]
    if not rest:
        return None
    array = _first(rest)
    content = rest[array.start : array.end]
    return content.decode("ascii") if array.kind == "|u1" and content.startswith(_OURS) else None


def _first(data: bytes) -> _Array:
    """Where the first array is, by what its header says."""
    magic, major = struct.unpack_from("<6sB", data)
    (length,) = struct.unpack_from("<H" if major == 1 else "<I", data, 8)
    start = 8 + (2 if major == 1 else 4) + length
    if magic != _MAGIC or length > _LONGEST:
        raise ValueError("it does not begin like an array")
    try:
        header = ast.literal_eval(data[start - length : start].decode("latin-1"))
        shape, kind = header["shape"], str(header["descr"])
        size = math.prod(map(int, shape)) * int(re.sub(r"^[<>|=][a-zA-Z]", "", kind))
    except (TypeError, KeyError, SyntaxError, MemoryError, RecursionError) as error:
        raise ValueError("the header of an array cannot be read") from error
    if size < 0 or start + size > len(data):
        raise ValueError("an array is cut off")
    return _Array(start, start + size, kind)
