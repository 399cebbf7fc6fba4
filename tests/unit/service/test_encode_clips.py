"""Clips: what an independent reader gets back, and clear words about what a format cannot hold."""

from __future__ import annotations

import io
import wave

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from models.config import Media
from service.encode import check_encodable, encode, formats_of

RATES = st.sampled_from([8000, 16_000, 22_050, 44_100, 48_000])
shapes = st.tuples(st.integers(1, 3), st.integers(1, 300))
samples = shapes.flatmap(lambda shape: hnp.arrays(np.float32, shape, elements=st.floats(-1, 1, width=32)))


def media_of(sample: np.ndarray, rate: int) -> Media:
    return Media(type="audio", shape=sample.shape, sample_rate=rate)


def chord(seconds: float, rate: int, channels: int = 1) -> np.ndarray:
    """(channels, seconds * rate): three tones, each channel a little later than the one before."""
    times = np.arange(round(seconds * rate)) / rate + np.arange(channels)[:, None] / 1000
    low, middle, high = (0.25 * np.sin(2 * np.pi * hertz * times) for hertz in (220.0, 440.0, 660.0))
    return np.asarray(low + middle + high, np.float32)


def opened(data: bytes, dtype: str) -> tuple[str, str, int, np.ndarray]:
    """What libsndfile's reader sees: format, coding, sample rate, and (C, S) numbers."""
    with soundfile.SoundFile(io.BytesIO(data)) as file:
        return file.format, file.subtype, file.samplerate, file.read(dtype=dtype, always_2d=True).T


@settings(max_examples=60)
@given(sample=samples, rate=RATES, file_format=st.sampled_from(["wav", "flac"]))
def test_lossless_formats_return_every_number(sample: np.ndarray, rate: int, file_format: str) -> None:
    data = encode(media_of(sample, rate), sample, file_format)
    name, coding, read_rate, numbers = opened(data, "int16")
    assert (name, coding, read_rate) == (file_format.upper(), "PCM_16", rate)
    np.testing.assert_array_equal(numbers, np.rint(sample * 32_767).astype(np.int16))
    *_, floats = opened(data, "float32")
    np.testing.assert_allclose(floats, sample, rtol=0, atol=1.6 / 32_768)


@settings(max_examples=30, deadline=None)
@given(sample=samples, rate=RATES)
def test_vorbis_keeps_shape_and_rate_of_anything(sample: np.ndarray, rate: int) -> None:
    name, coding, read_rate, floats = opened(encode(media_of(sample, rate), sample, "ogg"), "float32")
    assert (name, coding, read_rate, floats.shape) == ("OGG", "VORBIS", rate, sample.shape)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [8000, 16_000, 48_000])
def test_vorbis_sounds_like_the_sample(channels: int, rate: int) -> None:
    sample = chord(0.96, rate, channels)
    *_, floats = opened(encode(media_of(sample, rate), sample, "ogg"), "float32")
    assert floats.shape == sample.shape
    assert np.sqrt(np.mean((floats - sample) ** 2)) < 0.06 * np.sqrt(np.mean(sample**2))


def test_a_clip_of_minutes_is_written_whole() -> None:
    """Given to libvorbis at once it would end the process."""
    sample = np.tile(chord(1.0, 16_000), 180)
    sample += np.random.default_rng(0).normal(0, 0.01, sample.shape).astype(np.float32)
    for file_format in ("flac", "ogg"):
        assert soundfile.info(io.BytesIO(encode(media_of(sample, 16_000), sample, file_format))).frames == 180 * 16_000


def test_the_standard_library_reads_wav() -> None:
    sample = chord(0.1, 16_000)
    with wave.open(io.BytesIO(encode(media_of(sample, 16_000), sample, "wav"))) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 16_000)
        numbers = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    np.testing.assert_array_equal(numbers, np.rint(sample[0] * 32_767))


@given(sample=samples)
def test_npy_carries_the_samples_themselves(sample: np.ndarray) -> None:
    back = np.load(io.BytesIO(encode(media_of(sample, 16_000), sample, "npy")), allow_pickle=False)
    assert back.dtype == np.float32
    np.testing.assert_array_equal(back, sample)


@pytest.mark.parametrize("file_format", ["wav", "flac"])
def test_values_outside_the_range_are_clipped(file_format: str) -> None:
    sample = np.array([[-1.5, -1.0, 0.0, 1.0, 1.5]], np.float32)
    *_, numbers = opened(encode(media_of(sample, 8000), sample, file_format), "int16")
    assert numbers.tolist() == [[-32_767, -32_767, 0, 32_767, 32_767]]


@pytest.mark.parametrize(
    ("channels", "rate", "file_format", "scale", "says"),
    [
        (1, 16_000, "png", 1, "audio has no format 'png', only wav, flac, ogg, npy"),
        (1, 16_000, "mp3", 1, "audio has no format 'mp3'"),
        (1, 16_000, "wav", 2, "only pictures are enlarged"),
        (1, 16_000, "npy", 2, "only pictures are enlarged"),
        (9, 16_000, "flac", 1, "flac holds at most 8 channels, not 9"),
        (256, 16_000, "ogg", 1, "ogg holds at most 255 channels"),
        (1025, 16_000, "wav", 1, "wav holds at most 1024 channels"),
        (1, 192_001, "ogg", 1, "ogg is written at 192000 samples per second at most"),
        (1, 176_401, "flac", 1, "needs a multiple of ten, not 176401"),
    ],
)
def test_what_a_format_cannot_hold_is_refused(
    channels: int, rate: int, file_format: str, scale: int, says: str
) -> None:
    media = Media(type="audio", shape=(channels, 16), sample_rate=rate)
    with pytest.raises(ValueError, match=says):
        encode(media, np.zeros(media.shape, np.float32), file_format, scale)
    with pytest.raises(ValueError, match=says):
        check_encodable(media, file_format, scale)


@pytest.mark.parametrize("rate", [1, 999, 65_535, 65_540, 192_000])
@pytest.mark.parametrize("channels", [1, 8])
def test_what_is_not_refused_is_written_and_read(rate: int, channels: int) -> None:
    sample = np.zeros((channels, 100), np.float32)
    media = media_of(sample, rate)
    for file_format in formats_of(media):
        data = encode(media, sample, file_format)
        if file_format != "npy":
            _, _, read_rate, numbers = opened(data, "float32")
            assert (read_rate, numbers.shape) == (rate, sample.shape)
