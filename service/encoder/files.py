"""Files as samples of a model's shape."""

from __future__ import annotations

import io
import warnings
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.config import Media
from models.media import Fit, Unreadable
from models.media.pictures import MODES, as_picture
from models.media.sound import as_clip
from service.encode import MEDIA_TYPES

_LONGEST_REASON = 120
_INTEGERS = {"image": np.dtype(np.uint8), "audio": np.dtype(np.int16)}
_FLOATS = (np.dtype(np.float16), np.dtype(np.float32), np.dtype(np.float64))
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def read_sample(data: bytes, media_type: str, media: Media, fit: Fit, most: int) -> NDArray[Any]:
    """A file as a sample (*media shape): integers as training stores them, or floating-point numbers from `npy`.

    Args:
        media_type: one that samples of this media may be sent as.
        most: pixels, or numbers of a sound, that the file may hold.

    Raises:
        TooLarge: it holds more.
        Unreadable: it is damaged, or cannot become such a sample.
    """
    try:
        with warnings.catch_warnings():
            # Readers warn of oddities in files that they read nevertheless.
            warnings.simplefilter("ignore")
            # A copy: what the readers give may be read-only, or in another order.
            return np.array(_read(data, media_type, media, fit, most), order="C")
    except Unreadable:
        raise
    except Exception as error:  # readers raise all kinds of errors at damaged files
        reason = str(error) or type(error).__name__
        if not reason.isprintable() or len(reason) > _LONGEST_REASON:
            reason = type(error).__name__
        raise Unreadable(f"is damaged or cut short ({reason})") from error


def _read(data: bytes, media_type: str, media: Media, fit: Fit, most: int) -> NDArray[Any]:
    if media_type == MEDIA_TYPES["npy"]:
        return _read_array(data, media)
    if media.type == "audio":
        if media.shape[0] != 1:
            raise Unreadable(f"must be {MEDIA_TYPES['npy']}: audio files are read as 1 channel, not {media.shape[0]}")
        return as_clip(data, media, fit, most)
    if media.shape[0] not in MODES:
        raise Unreadable(f"must be {MEDIA_TYPES['npy']}: image files have 1 channel or 3, not {media.shape[0]}")
    return as_picture(data, media, fit, most)


def _read_array(data: bytes, media: Media) -> NDArray[Any]:
    """An `.npy` file of exactly the media's shape; nothing is read before its header says that."""
    file = io.BytesIO(data)
    try:
        shape, by_columns, dtype = _HEADERS[np.lib.format.read_magic(file)](file)
    except (ValueError, KeyError) as error:
        raise Unreadable("is not an npy file of version 1 or 2") from error
    if shape != media.shape:
        raise Unreadable(f"has the shape {list(shape)}, and must have {list(media.shape)}")
    native = dtype.newbyteorder("=")
    if native not in (_INTEGERS[media.type], *_FLOATS):
        raise Unreadable(f"holds numbers of type {dtype}, and must hold {_INTEGERS[media.type]} or floating-point ones")
    if len(data) - file.tell() != prod(shape) * dtype.itemsize:
        raise Unreadable("is cut short, or goes on past its end")
    flat = np.frombuffer(data, dtype, offset=file.tell())
    array = flat.reshape(shape, order="F" if by_columns else "C").astype(native)
    low, high = media.range
    if native in _FLOATS and not ((array >= low) & (array <= high)).all():
        raise Unreadable(f"holds numbers that are not from {low:g} to {high:g}")
    return array
