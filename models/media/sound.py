"""Audio files of any length, rate and number of channels as clips of one length."""

from __future__ import annotations

import io
from typing import NamedTuple

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from models.config import Media
from models.media import Fit, TooLarge, Unreadable

FULL_SCALE = 32768  # 1.0 as it is stored; files of 16 bits stay as they are


class Sound(NamedTuple):
    """An audio file: its channels averaged, (samples,) float32, its rate, and how many channels there were."""

    samples: NDArray[np.float32]
    rate: int
    channels: int


def as_clip(content: bytes, media: Media, fit: Fit = "crop", most: int | None = None) -> NDArray[np.int16]:
    """The one clip (1, T) of an audio file; with `crop`, the first of those that training cuts from it.

    Args:
        media: of 1 channel.
        fit: `crop` keeps the beginning, and fills up with silence what is at least half as long as a clip; `pad` fills
            up whatever is shorter, and cuts nothing.
        most: numbers that the file may hold, of all its channels; None sets no limit.

    Raises:
        TooLarge: if it holds more.
        Unreadable: if it is damaged, or of a length, or with `exact` of a rate or with channels, that do not fit.
    """
    length = media.shape[1]
    sound = read_sound(content, most)
    if fit == "exact" and (sound.rate, sound.channels) != (media.sample_rate, 1):
        raise Unreadable(
            f"has {sound.channels} channels at {sound.rate} samples per second, and must have 1 at {media.sample_rate}"
        )
    samples = at_rate(sound, media)
    if fit != "crop" and (len(samples) > length or (fit == "exact" and len(samples) < length)):
        bound = "exactly" if fit == "exact" else "at most"
        raise Unreadable(
            f"has {len(samples)} samples at {media.sample_rate} per second, and must have {bound} {length}"
        )
    return filled(samples, length, whole=fit == "pad")[None, :length]


def read_sound(content: bytes, most: int | None = None) -> Sound:
    """All of an audio file.

    Args:
        most: numbers that it may hold, of all its channels; None sets no limit.

    Raises:
        TooLarge: if it holds more.
        Unreadable: if it is damaged, or holds values that are not numbers.
    """
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            if most is not None and file.frames * file.channels > most:
                raise TooLarge(
                    f"has {file.frames} samples of {file.channels} channels, and {most} in all are the most to be read"
                )
            frames = file.read(dtype="float32", always_2d=True)
            rate = file.samplerate
    except soundfile.LibsndfileError as error:
        raise Unreadable(f"cannot be read as audio ({error.error_string.strip().rstrip('.')})") from error
    if not np.isfinite(frames).all():
        raise Unreadable("holds values that are not numbers")
    return Sound(frames.mean(axis=1), rate, frames.shape[1])


def at_rate(sound: Sound, media: Media) -> NDArray[np.int16]:
    """A sound at the media's sample rate, as it is stored: (samples,)."""
    samples = sound.samples
    if sound.rate != media.sample_rate:
        samples = soxr.resample(samples, sound.rate, media.sample_rate)
    return np.rint(samples * FULL_SCALE).clip(-FULL_SCALE, FULL_SCALE - 1).astype(np.int16)


def filled(samples: NDArray[np.int16], length: int, *, whole: bool = False) -> NDArray[np.int16]:
    """At least so many samples: silence after those there are, which must be half as many already, or any with `whole`.

    Raises:
        Unreadable: if they are fewer.
    """
    if 2 * len(samples) < length and not (whole and len(samples)):
        raise Unreadable(f"is too short, {len(samples)} samples are less than half a window of {length}")
    return np.pad(samples, (0, max(length - len(samples), 0)))
