"""Audio files of any length, rate and number of channels as windows to train on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.config import Media
from models.errors import DataError
from models.media.sound import at_rate, filled, read_sound


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
        length = self.media.shape[1]
        samples = filled(at_rate(read_sound(content), self.media), length)
        windows = np.lib.stride_tricks.sliding_window_view(samples, length)
        return windows[:: self.stride or length, None]
