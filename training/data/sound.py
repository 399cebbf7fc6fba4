"""Audio files of any length, rate and number of channels as windows of one length."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from models.config import Media
from models.errors import DataError
from training.data.corpus import Unreadable

FULL_SCALE = 32768  # 1.0 as it is stored; files of 16 bits stay as they are


@dataclass(frozen=True, slots=True)
class SoundDecoder:
    """Makes windows (n, 1, T) int16 of audio files: channels averaged, resampled to the media's rate.

    A file shorter than a window is filled up with silence if it is at least half as long.

    Attributes:
        media: T is its shape's last number, its sample rate that of the windows.
        stride: samples between the starts of two windows; None is T. What is left after the last whole window is
            dropped.
    """

    media: Media
    stride: int | None = None

    def __post_init__(self) -> None:
        if self.media.shape[0] != 1:
            raise DataError(f"audio files give 1 channel, but media.shape is {list(self.media.shape)}")

    def __call__(self, name: str, content: bytes) -> NDArray[Any]:  # noqa: ARG002 - as every decoder
        """The windows of a file. Raises Unreadable if it is damaged or too short."""
        samples, rate = _read(content)
        if not np.isfinite(samples).all():
            raise Unreadable("holds values that are not numbers")
        return self._windows(_to_integers(self._resampled(samples, rate)))[:, None]

    def _resampled(self, samples: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
        if rate == self.media.sample_rate:
            return samples
        import soxr

        resampled: NDArray[np.float32] = soxr.resample(samples, rate, self.media.sample_rate)
        return resampled

    def _windows(self, samples: NDArray[np.int16]) -> NDArray[np.int16]:
        """(samples,) -> (n, T)."""
        length = self.media.shape[1]
        if 2 * len(samples) < length:
            raise Unreadable(f"is too short, {len(samples)} samples are less than half a window of {length}")
        if len(samples) < length:
            samples = np.pad(samples, (0, length - len(samples)))
        windows: NDArray[np.int16] = np.lib.stride_tricks.sliding_window_view(samples, length)
        return windows[:: self.stride or length]


def _read(content: bytes) -> tuple[NDArray[np.float32], int]:
    """A file's channels averaged, (samples,), and its sample rate."""
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            return file.read(dtype="float32", always_2d=True).mean(axis=1), file.samplerate
    except soundfile.LibsndfileError as error:
        raise Unreadable(f"cannot be read as audio ({error.error_string.strip().rstrip('.')})") from error


def _to_integers(samples: NDArray[np.float32]) -> NDArray[np.int16]:
    return np.rint(samples * FULL_SCALE).clip(-FULL_SCALE, FULL_SCALE - 1).astype(np.int16)
