"""Pictures: exact where their format promises it, and clear about what it cannot hold."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from models.config import Media
from service.encode import check_encodable, encode

shapes = st.tuples(st.sampled_from([1, 3]), st.integers(1, 17), st.integers(1, 17))
samples = shapes.flatmap(lambda shape: hnp.arrays(np.float32, shape, elements=st.floats(0, 1, width=32)))


def media_of(sample: np.ndarray) -> Media:
    return Media(type="image", shape=sample.shape)


def expected_pixels(sample: np.ndarray, scale: int) -> np.ndarray:
    """The picture that must come back, as (C, scale * H, scale * W)."""
    return np.kron(np.rint(sample * 255).astype(np.uint8), np.ones((1, scale, scale), np.uint8))


def opened(data: bytes, channels: int) -> tuple[str | None, np.ndarray]:
    """What an independent reader sees: its name for the format, and (C, H, W) bytes."""
    with Image.open(io.BytesIO(data)) as image:
        pixels = np.asarray(image.convert("L" if channels == 1 else "RGB"))
        return image.format, pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)


@settings(max_examples=60)
@given(sample=samples, scale=st.integers(1, 3), file_format=st.sampled_from(["png", "webp"]))
def test_lossless_formats_return_every_pixel(sample: np.ndarray, scale: int, file_format: str) -> None:
    name, pixels = opened(encode(media_of(sample), sample, file_format, scale), sample.shape[0])
    assert name == file_format.upper()
    np.testing.assert_array_equal(pixels, expected_pixels(sample, scale))


@pytest.mark.parametrize("channels", [1, 3])
def test_png_mode_matches_the_channels(channels: int) -> None:
    sample = np.zeros((channels, 4, 5), np.float32)
    with Image.open(io.BytesIO(encode(media_of(sample), sample, "png", 2))) as image:
        image.verify()
        assert image.mode == {1: "L", 3: "RGB"}[channels]
        assert image.size == (10, 8)


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_is_close(channels: int) -> None:
    ramp = np.linspace(0, 1, 28, dtype=np.float32)
    sample = np.broadcast_to(ramp, (channels, 28, 28))
    name, pixels = opened(encode(media_of(sample), sample, "jpeg", 3), channels)
    assert name == "JPEG"
    difference = np.abs(pixels.astype(int) - expected_pixels(sample, 3).astype(int))
    assert difference.max() <= 16
    assert difference.mean() < 2


@given(sample=samples, scale=st.integers(1, 4))
def test_npy_carries_the_samples_themselves(sample: np.ndarray, scale: int) -> None:
    back = np.load(io.BytesIO(encode(media_of(sample), sample, "npy", scale)), allow_pickle=False)
    assert back.dtype == np.float32
    np.testing.assert_array_equal(back, sample)


def test_values_outside_the_range_are_clipped() -> None:
    sample = np.array([[[-0.5, 1.5]]], np.float32)
    assert opened(encode(media_of(sample), sample, "png", 1), 1)[1].tolist() == [[[0, 255]]]


@pytest.mark.parametrize(
    ("shape", "file_format", "scale", "says"),
    [
        ((1, 28, 28), "gif", 1, "image has no format 'gif', only png, webp, jpeg, npy"),
        ((1, 28, 28), "wav", 1, "image has no format 'wav'"),
        ((2, 28, 28), "png", 1, "grey or RGB"),
        ((3, 256, 256), "webp", 64, "at most 16383 pixels"),
    ],
)
def test_what_a_format_cannot_hold_is_refused(shape: tuple[int, ...], file_format: str, scale: int, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        encode(Media(type="image", shape=shape), np.zeros(shape, np.float32), file_format, scale)
    with pytest.raises(ValueError, match=says):
        check_encodable(Media(type="image", shape=shape), file_format, scale)
