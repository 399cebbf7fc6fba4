"""Tensors on the wire: as JSON lists, and as the binary data that Triton's clients prefer.

Numbers are little-endian and row-major. An element of BYTES is its length as four bytes, then itself.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import chain
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.api.inference.schemas import InputTensor
from service.errors import Malformed

NUMBERS: dict[str, np.dtype[Any]] = {
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP32": np.dtype("<f4"),
}
_LENGTH = struct.Struct("<I")


class Tensor(NamedTuple):
    """An input: its values in row-major order, as many as its shape says; text if its datatype is BYTES."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    values: Sequence[str] | Sequence[int]


class Packed(NamedTuple):
    """An output before it is written.

    Attributes:
        data: an array of one of `NUMBERS`, or elements of BYTES.
        media_type: of elements that are files; None for text and numbers.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    data: NDArray[Any] | Sequence[bytes]
    media_type: str | None = None


def read_inputs(inputs: Sequence[InputTensor], binary: bytes) -> dict[str, Tensor]:
    """The input tensors by name.

    Args:
        binary: what followed the JSON: the data of those inputs that announce a size, one after another.

    Raises:
        Malformed: data that are not what shape, datatype and sizes say; an input twice.
    """
    tensors: dict[str, Tensor] = {}
    start = 0
    for each in inputs:
        size = each.parameters.binary_data_size
        if each.name in tensors:
            raise Malformed(f"The input {each.name} is there twice.")
        if (size is None) == (each.data is None):
            raise Malformed(f"The input {each.name} must have either data or binary_data_size.")
        if size is None:
            values = _from_json(each)
        else:
            if start + size > len(binary):
                raise Malformed(f"The input {each.name} announces {size} bytes, of which {len(binary) - start} came.")
            values = _from_binary(each, binary[start : start + size])
            start += size
        if len(values) != prod(each.shape):
            raise Malformed(
                f"The input {each.name} has {len(values)} values, its shape {each.shape} {prod(each.shape)}."
            )
        tensors[each.name] = Tensor(each.name, each.datatype, tuple(each.shape), values)
    if start != len(binary):
        raise Malformed(f"{len(binary) - start} bytes of binary data belong to no input.")
    return tensors


def _from_json(tensor: InputTensor) -> Sequence[str] | Sequence[int]:
    values = tensor.data or []
    if values and isinstance(values[0], list):
        if not all(isinstance(row, list) for row in values):
            raise Malformed(f"The data of the input {tensor.name} are neither flat nor nested throughout.")
        values = list(chain.from_iterable(values))
    if tensor.datatype == "BYTES":
        if not all(isinstance(value, str) for value in values):
            raise Malformed(f"The data of the input {tensor.name} must be text, since its datatype is BYTES.")
        return values
    limits = np.iinfo(NUMBERS[tensor.datatype])
    if not all(type(value) is int and limits.min <= value <= limits.max for value in values):
        raise Malformed(f"The data of the input {tensor.name} must be numbers of its datatype, {tensor.datatype}.")
    return values


def _from_binary(tensor: InputTensor, data: bytes) -> Sequence[str] | Sequence[int]:
    if tensor.datatype == "BYTES":
        return _texts(tensor.name, data)
    numbers = NUMBERS[tensor.datatype]
    if len(data) % numbers.itemsize:
        raise Malformed(f"The input {tensor.name} has {len(data)} bytes, no whole number of {tensor.datatype}.")
    values: list[int] = np.frombuffer(data, numbers).tolist()
    return values


def _texts(name: str, data: bytes) -> list[str]:
    texts = []
    start = 0
    while start < len(data):
        begin = start + _LENGTH.size
        length = _LENGTH.unpack_from(data, start)[0] if begin <= len(data) else 0
        start = begin + length
        if start > len(data):
            raise Malformed(f"The input {name} ends within an element.")
        try:
            texts.append(data[begin:start].decode())
        except UnicodeDecodeError as error:
            raise Malformed(f"The input {name} holds an element that is not text in UTF-8.") from error
    return texts


def as_binary(output: Packed) -> bytes:
    """An output's data as they follow the JSON."""
    if isinstance(output.data, np.ndarray):
        return output.data.astype(NUMBERS[output.datatype], copy=False).tobytes()
    return b"".join(chain.from_iterable((_LENGTH.pack(len(each)), each) for each in output.data))


def as_list(output: Packed) -> list[Any]:
    """An output's data inside JSON, flat. Files are left to the encoder, which writes bytes in base64."""
    if isinstance(output.data, np.ndarray):
        values: list[Any] = output.data.ravel().tolist()
        return values
    return list(output.data) if output.media_type else [each.decode() for each in output.data]
