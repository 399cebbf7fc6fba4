"""A text in a NumPy file: a second array, of bytes, after the first, as `np.save` appends it to an open file."""

from __future__ import annotations

import io
import math

_OURS = b'{"anytime":'


def put(data: bytes, text: str) -> bytes:
    """The file with a text in it."""
    import numpy as np

    buffer = io.BytesIO()
    np.save(buffer, np.frombuffer(text.encode("ascii"), np.uint8), allow_pickle=False)
    return data[: _end_of_first(data)] + buffer.getvalue()


def get(data: bytes) -> str | None:
    """The text in a file."""
    import numpy as np

    rest = data[_end_of_first(data) :]
    if not rest:
        return None
    text = np.load(io.BytesIO(rest[: _end_of_first(rest)]), allow_pickle=False)
    content: bytes = text.tobytes()
    return content.decode("ascii") if text.dtype == np.uint8 and content.startswith(_OURS) else None


def _end_of_first(data: bytes) -> int:
    """Bytes of the first array, by what its header says."""
    from numpy.lib import format as npy

    buffer = io.BytesIO(data)
    read = npy.read_array_header_1_0 if npy.read_magic(buffer) == (1, 0) else npy.read_array_header_2_0
    shape, _, kind = read(buffer)
    end = buffer.tell() + math.prod(shape) * kind.itemsize
    if kind.hasobject or not 0 < end <= len(data):
        raise ValueError("its numbers are cut off, or are none")
    return int(end)
