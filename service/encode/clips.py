"""Audio as files: WAV, FLAC and Ogg Vorbis, written by libsndfile, in memory."""

from __future__ import annotations

import io

import numpy as np
import soundfile
from numpy.typing import NDArray

_SUBTYPES = {"wav": "PCM_16", "flac": "PCM_16", "ogg": "VORBIS"}
_FULL_SCALE = 32_767
_BLOCK = 4096  # frames; libvorbis copies to the stack what it is given at once, and long clips would overflow it


def encode_clip(sample: NDArray[np.float32], sample_rate: int, file_format: str) -> bytes:
    """Encode one clip, of any length.

    WAV and FLAC keep every number of `rint(32767 * sample)`, in 16 bits. Vorbis does not; it takes some ten times as
    long, and since every stream has a random number of its own, no two files are the same bytes.

    Args:
        sample: (C, S) float32; what is outside [-1, 1] is clipped.
        sample_rate: per second.
        file_format: `wav`, `flac` or `ogg`, and one that can hold this (`check_encodable`): libvorbis does not check.
    """
    frames = np.ascontiguousarray(np.clip(sample, -1.0, 1.0).T)  # (S, C)
    subtype = _SUBTYPES[file_format]
    numbers = np.rint(frames * _FULL_SCALE).astype(np.int16) if subtype == "PCM_16" else frames
    buffer = io.BytesIO()
    with soundfile.SoundFile(
        buffer, "w", sample_rate, numbers.shape[1], subtype=subtype, format=file_format.upper()
    ) as file:
        for start in range(0, len(numbers), _BLOCK):
            file.write(numbers[start : start + _BLOCK])
    return buffer.getvalue()
