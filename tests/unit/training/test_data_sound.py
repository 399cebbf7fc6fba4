from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from toy_files import RATE, WINDOW, ramp

from models.config import Media
from models.errors import DataError
from models.media import Unreadable
from training.data.sound import SoundDecoder

MEDIA = Media(type="audio", shape=(1, WINDOW), sample_rate=RATE)
DECODER = SoundDecoder(MEDIA)


def encoded(samples: NDArray[np.generic], rate: int = RATE, kind: str = "WAV", subtype: str | None = None) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=kind, subtype=subtype)
    return file.getvalue()


def test_windows_follow_one_another_and_samples_of_16_bits_stay_as_they_are() -> None:
    windows = DECODER("a", encoded(ramp(3 * WINDOW + 10, start=-50)))
    assert windows.dtype == np.int16
    assert windows.shape == (3, 1, WINDOW)
    assert windows.flatten().tolist() == list(range(-50, 3 * WINDOW - 50))


def test_strided_windows_overlap() -> None:
    windows = SoundDecoder(MEDIA, stride=WINDOW // 4)("a", encoded(ramp(2 * WINDOW)))
    assert windows[:, 0, 0].tolist() == [0, 16, 32, 48, 64]
    assert windows[1, 0].tolist() == list(range(16, 16 + WINDOW))


def test_a_short_file_is_filled_up_and_a_very_short_one_refused() -> None:
    window = DECODER("a", encoded(ramp(WINDOW // 2, start=1)))
    assert window.flatten().tolist() == [*range(1, WINDOW // 2 + 1), *[0] * (WINDOW // 2)]
    with pytest.raises(Unreadable, match="is too short, 31 samples are less than half a window of 64"):
        DECODER("a", encoded(ramp(WINDOW // 2 - 1)))


def test_channels_are_averaged() -> None:
    stereo = np.stack([np.full(WINDOW, 1000, np.int16), np.full(WINDOW, 3000, np.int16)], axis=1)
    assert (DECODER("a", encoded(stereo)) == 2000).all()


def test_other_rates_are_resampled() -> None:
    seconds = np.arange(4 * RATE) / (4 * RATE)
    tone = np.sin(2 * np.pi * 200 * seconds) / 2
    windows = DECODER("a", encoded(tone, rate=4 * RATE))
    samples = windows.flatten() / 32768
    expected = np.sin(2 * np.pi * 200 * np.arange(len(samples)) / RATE) / 2
    assert len(samples) == RATE // WINDOW * WINDOW
    assert np.abs(samples - expected)[200:-200].max() < 0.01


@pytest.mark.parametrize(
    ("kind", "subtype"),
    [
        ("WAV", "PCM_24"),
        ("WAV", "FLOAT"),
        ("FLAC", None),
        ("OGG", "VORBIS"),
        ("OGG", "OPUS"),
        ("MP3", None),
        ("AIFF", None),
    ],
)
def test_every_format_is_read(kind: str, subtype: str | None) -> None:
    tone = np.sin(np.arange(20 * WINDOW) / 5) / 2
    windows = DECODER("a", encoded(tone, kind=kind, subtype=subtype))
    assert len(windows) >= 19
    assert 0.3 < np.abs(windows / 32768).max() < 0.7


def test_values_beyond_full_scale_are_clipped_and_no_numbers_are_refused() -> None:
    loud = DECODER("a", encoded(np.tile([2.0, -2.0], WINDOW), subtype="FLOAT"))
    assert {loud.max(), loud.min()} == {32767, -32768}
    with pytest.raises(Unreadable, match="values that are not numbers"):
        DECODER("a", encoded(np.full(WINDOW, np.nan), subtype="FLOAT"))


def test_stereo_media_are_refused() -> None:
    with pytest.raises(DataError, match=r"audio files give 1 channel, but media.shape is \[2, 64\]"):
        SoundDecoder(Media(type="audio", shape=(2, WINDOW), sample_rate=RATE))
