"""What files of samples say of themselves, so that any of them can be gone on with: written and read.

Every format carries the same text, JSON in ASCII, where such files have room for it (`service.client.containers` says
where); the pixels and sounds stay as they are, to the byte. The text is

    {"anytime": 1, "samples": [{"model": "fashion-mnist", "seed": 7, "label": "sneaker", "codes": [17, 3, …],
                                "codes_total": 16, "scale": 8, "expected_quality": 0.93, "stop_reason": "deadline"}]}

with the fields of `Sample`, those left out that have their default. A file has one sample, or, where several are shown
in one picture, all of them. `json_schema` is the whole of it; readers ignore members that they do not know.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from service.client.containers import container_of
from service.client.errors import SampleFileError
from service.client.samples import Sample

VERSION: Literal[1] = 1
_DAMAGED = (ValueError, IndexError, struct.error, EOFError, OverflowError, MemoryError, SyntaxError)


class Samples(msgspec.Struct, frozen=True):
    """What a file carries. `anytime` is the version of this format."""

    anytime: Literal[1]
    samples: Annotated[tuple[Sample, ...], Meta(min_length=1)]


class _Version(msgspec.Struct):
    anytime: int


def json_schema() -> dict[str, Any]:
    """The JSON Schema of the text."""
    return msgspec.json.schema(Samples)


def embed(data: bytes, samples: Sequence[Sample]) -> bytes:
    """A file with what it has to say of its samples in it.

    Raises:
        SampleFileError: the file is of no format that has room for that.
    """
    container = container_of(data)
    if container is None:
        raise SampleFileError("what came is in no format that can carry a sample's facts")
    text = json.dumps(msgspec.to_builtins(Samples(VERSION, tuple(samples))), separators=(",", ":"))
    try:
        written: bytes = container.put(data, text)
    except _DAMAGED as error:
        raise SampleFileError(f"the sample's facts cannot be written into the file: {error}") from error
    return written


def extract(data: bytes) -> tuple[Sample, ...]:
    """The samples of a file's content. Raises SampleFileError if it has none."""
    container = container_of(data)
    if container is None:
        raise SampleFileError("is no PNG, WebP, JPEG, WAV, FLAC, Ogg or NumPy file")
    try:
        text = container.get(data)
    except _DAMAGED as error:
        raise SampleFileError(f"is damaged: {error}") from error
    if text is None:
        raise SampleFileError("holds no codes: it was not made by anytime, or another program has left them out")
    try:
        return msgspec.json.decode(text, type=Samples).samples
    except (msgspec.DecodeError, RecursionError) as error:
        raise SampleFileError(_what_is_wrong(text, error)) from error


def read_samples(path: Path) -> tuple[Sample, ...]:
    """The samples of a file. Raises SampleFileError, naming it, if it cannot be read or has none."""
    try:
        return extract(path.read_bytes())
    except OSError as error:
        raise SampleFileError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from error
    except SampleFileError as error:
        raise SampleFileError(f"{path} {error}") from error


def read_sample(path: Path, pick: int | None = None) -> Sample:
    """The sample of a file, or one of several: the one picked, or the longest if all are prefixes of it.

    Raises:
        SampleFileError: there is none, or it is not plain which of them is meant.
    """
    samples = read_samples(path)
    if pick is not None:
        if not 0 <= pick < len(samples):
            raise SampleFileError(
                f"{path} holds {len(samples)} samples, from 0 to {len(samples) - 1}; there is no {pick}"
            )
        return samples[pick]
    longest = max(samples, key=lambda each: len(each.codes))
    if any(each.codes != longest.codes[: len(each.codes)] for each in samples):
        raise SampleFileError(f"{path} holds {len(samples)} samples; pick one, from 0 to {len(samples) - 1}")
    return longest


def _what_is_wrong(text: str, error: Exception) -> str:
    try:
        version = msgspec.json.decode(text, type=_Version).anytime
    except (msgspec.DecodeError, RecursionError):
        version = VERSION
    if version > VERSION:
        return f"is of version {version} of this format, newer than the {VERSION} that can be read here"
    return f"holds codes that make no sense: {error}"
