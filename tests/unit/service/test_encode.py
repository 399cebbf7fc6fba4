"""Encoders: exact where they promise it, and clear about what they cannot hold."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from service.encode import MEDIA_TYPES, check_encodable, encode

shapes = st.tuples(st.sampled_from([1, 3]), st.integers(1, 17), st.integers(1, 17))
samples = shapes.flatmap(lambda shape: hnp.arrays(np.float32, shape, elements=st.floats(0, 1, width=32)))


def expected_pixels(media: np.ndarray, scale: int) -> np.ndarray:
    """The picture that must come back, as (C, scale * H, scale * W)."""
    return np.kron(np.rint(media * 255).astype(np.uint8), np.ones((1, scale, scale), np.uint8))


def opened(data: bytes, channels: int) -> tuple[str | None, np.ndarray]:
    """What an independent reader sees: its name for the format, and (C, H, W) bytes."""
    with Image.open(io.BytesIO(data)) as image:
        pixels = np.asarray(image.convert("L" if channels == 1 else "RGB"))
        return image.format, pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)


@settings(max_examples=60)
@given(media=samples, scale=st.integers(1, 3), file_format=st.sampled_from(["png", "webp"]))
def test_lossless_formats_return_every_pixel(media: np.ndarray, scale: int, file_format: str) -> None:
    name, pixels = opened(encode(media, file_format, scale), media.shape[0])
    assert name == file_format.upper()
    np.testing.assert_array_equal(pixels, expected_pixels(media, scale))


@pytest.mark.parametrize("channels", [1, 3])
def test_png_mode_matches_the_channels(channels: int) -> None:
    media = np.zeros((channels, 4, 5), np.float32)
    with Image.open(io.BytesIO(encode(media, "png", 2))) as image:
        image.verify()
        assert image.mode == {1: "L", 3: "RGB"}[channels]
        assert image.size == (10, 8)


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_is_close(channels: int) -> None:
    ramp = np.linspace(0, 1, 28, dtype=np.float32)
    media = np.broadcast_to(ramp, (channels, 28, 28))
    name, pixels = opened(encode(media, "jpeg", 3), channels)
    assert name == "JPEG"
    difference = np.abs(pixels.astype(int) - expected_pixels(media, 3).astype(int))
    assert difference.max() <= 16
    assert difference.mean() < 2


@given(media=samples, scale=st.integers(1, 4))
def test_npy_carries_the_samples_themselves(media: np.ndarray, scale: int) -> None:
    back = np.load(io.BytesIO(encode(media, "npy", scale)), allow_pickle=False)
    assert back.dtype == np.float32
    np.testing.assert_array_equal(back, media)


def test_values_outside_the_range_are_clipped() -> None:
    media = np.array([[[-0.5, 1.5]]], np.float32)
    assert opened(encode(media, "png", 1), 1)[1].tolist() == [[[0, 255]]]


@pytest.mark.parametrize(
    ("shape", "file_format", "scale", "says"),
    [
        ((1, 28, 28), "gif", 1, "unknown format 'gif'"),
        ((2, 28, 28), "png", 1, "grey or RGB"),
        ((1, 16000), "jpeg", 1, "grey or RGB"),
        ((3, 256, 256), "webp", 64, "at most 16383 pixels"),
    ],
)
def test_what_a_format_cannot_hold_is_refused(shape: tuple[int, ...], file_format: str, scale: int, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        encode(np.zeros(shape, np.float32), file_format, scale)
    with pytest.raises(ValueError, match=says):
        check_encodable(shape, file_format, scale)


def test_audio_shapes_may_be_npy() -> None:
    check_encodable((1, 16000), "npy", 1)
    assert set(MEDIA_TYPES) == {"png", "webp", "jpeg", "npy"}
