"""Decoded samples as bytes that a client can show or play.

formats.py    which formats each kind of media has, how they begin, and what they can hold
pictures.py   PNG, WebP, JPEG
clips.py      WAV, FLAC, Ogg Vorbis

Beside those of its media every sample can be had as `.npy`: the decoder's float32 numbers. Encoding is inside the
deadline, so every choice here is for latency.
"""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray

from models.config import Media
from service.encode.clips import encode_clip
from service.encode.formats import MEDIA_TYPES, check_encodable, formats_of, media_type_of
from service.encode.pictures import encode_picture

__all__ = ["MEDIA_TYPES", "check_encodable", "encode", "formats_of", "media_type_of"]


def encode(media: Media, sample: NDArray[np.float32], file_format: str, scale: int = 1) -> bytes:
    """Encode one sample.

    Args:
        media: what the sample is.
        sample: (*media shape) float32, in [0, 1] for images and [-1, 1] for audio.
        file_format: one of `formats_of(media)`.
        scale: enlargement of a picture by a whole factor, nearest neighbour; `npy` ignores it.

    Raises:
        ValueError: the format is none of this media's, or cannot hold such a sample at this scale.
    """
    check_encodable(media, file_format, scale)
    if file_format == "npy":
        return _npy(sample)
    if media.sample_rate is None:
        return encode_picture(sample, file_format, scale)
    return encode_clip(sample, media.sample_rate, file_format)


def _npy(sample: NDArray[np.float32]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.asarray(sample, dtype=np.float32), allow_pickle=False)
    return buffer.getvalue()
