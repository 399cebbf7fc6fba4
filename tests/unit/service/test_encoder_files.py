"""Whatever is sent to be encoded becomes a sample, or is refused in words that say what is wrong with it."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.config import Media
from models.media import Unreadable
from service.encode import MEDIA_TYPES, encode, formats_of, media_type_of
from service.encoder.files import read_sample

IMAGE = Media(type="image", shape=(3, 8, 8))
CLIP = Media(type="audio", shape=(1, 400), sample_rate=8000)
MOST = 10_000


def sample_of(media: Media) -> NDArray[np.float32]:
    low, high = media.range
    return np.random.default_rng(5).uniform(low, high, media.shape).astype(np.float32)


def array_file(array: NDArray[Any], **options: Any) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array, **options)
    return file.getvalue()


def read(data: bytes, media: Media = IMAGE, name: str = "npy") -> NDArray[Any]:
    return read_sample(data, MEDIA_TYPES[name], media, "crop", MOST)


@pytest.mark.parametrize("media", [IMAGE, CLIP], ids=["image", "audio"])
def test_what_the_service_writes_it_reads(media: Media) -> None:
    sample = sample_of(media)
    for name in formats_of(media):
        data = encode(media, sample, name)
        assert media_type_of(data) == MEDIA_TYPES[name]
        found = read(data, media, name)
        assert found.shape == media.shape
        assert found.flags.writeable
        assert found.flags.c_contiguous
        if name in ("png", "webp"):
            assert found.tolist() == np.rint(sample * 255).astype(int).tolist()
        if name in ("wav", "flac"):
            assert found.tolist() == np.rint(sample * 32767).astype(int).tolist()
        if name == "npy":
            assert (found == sample).all()


@pytest.mark.parametrize("name", ["png", "webp", "jpeg", "wav", "flac", "ogg", "npy"])
@given(data=st.data())
def test_a_file_that_is_cut_short_is_refused(name: str, data: st.DataObject) -> None:
    """Or, of sound, whose files hold one number after another, what is left is read if it is long enough."""
    media = CLIP if name in ("wav", "flac", "ogg") else IMAGE
    whole = encode(media, sample_of(media), name)
    part = whole[: data.draw(st.integers(0, len(whole) // 2))]
    with pytest.raises(Unreadable):
        read(part, media, name)


@pytest.mark.parametrize("name", ["png", "webp", "jpeg", "wav", "flac", "ogg", "npy"])
@given(data=st.data())
def test_damage_is_survived(name: str, data: st.DataObject) -> None:
    media = CLIP if name in ("wav", "flac", "ogg") else IMAGE
    whole = bytearray(encode(media, sample_of(media), name))
    for _ in range(data.draw(st.integers(1, 8))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        outcome: NDArray[Any] | str = read(bytes(whole), media, name)
    except Unreadable as error:
        outcome = str(error)
    if isinstance(outcome, str):
        assert outcome.isprintable()
        assert len(outcome) < 200
    else:
        assert outcome.shape == media.shape


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\x93NUMPY", "is not an npy file"),
        (b"\x93NUMPY\x09\x00" + bytes(100), "is not an npy file of version 1 or 2"),
        (array_file(np.zeros((8, 8), np.float32)), r"has the shape \[8, 8\], and must have \[3, 8, 8\]"),
        (array_file(np.zeros((3, 8, 8), np.int64)), "numbers of type int64, and must hold uint8 or floating-point"),
        (array_file(np.zeros((3, 8, 8), np.complex64)), "numbers of type complex64"),
        (array_file(np.full((3, 8, 8), None), allow_pickle=True), "numbers of type object"),
        (array_file(np.full((3, 8, 8), 1.01)), "holds numbers that are not from 0 to 1"),
        (array_file(np.full((3, 8, 8), np.nan)), "holds numbers that are not from 0 to 1"),
        (array_file(np.zeros((3, 8, 8)))[:-1], "is cut short"),
        (array_file(np.zeros((3, 8, 8))) + b"0", "goes on past its end"),
    ],
)
def test_arrays_that_are_no_samples(data: bytes, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        read(data)


def test_arrays_of_any_order_and_kind() -> None:
    sample = np.random.default_rng(1).uniform(0, 1, (3, 8, 8))
    for array in (sample, sample.astype(">f4"), np.asfortranarray(sample), sample.astype(np.float16)):
        found = read(array_file(array))
        assert found.dtype.isnative
        assert np.array_equal(found, array)
    stored = (sample * 255).astype(np.uint8)
    assert read(array_file(stored, version=(2, 0))).tolist() == stored.tolist()


def test_an_array_that_claims_to_be_huge_is_not_made() -> None:
    header = array_file(np.zeros((1, 1, 1))).replace(b"(1, 1, 1)", b"(9999999999,)")
    with pytest.raises(Unreadable, match="has the shape"):
        read(header)


def test_shapes_that_files_cannot_have_are_sent_as_arrays() -> None:
    two, stereo = Media(type="image", shape=(2, 8, 8)), Media(type="audio", shape=(2, 400), sample_rate=8000)
    with pytest.raises(Unreadable, match="must be application/x-npy: image files have 1 channel or 3, not 2"):
        read(encode(IMAGE, sample_of(IMAGE), "png"), two, "png")
    with pytest.raises(Unreadable, match="must be application/x-npy: audio files are read as 1 channel, not 2"):
        read(encode(CLIP, sample_of(CLIP), "wav"), stereo, "wav")
    for media in (two, stereo):
        assert read(encode(media, sample_of(media), "npy"), media).shape == media.shape


def test_other_files_are_of_no_known_type() -> None:
    for data in (b"", b"GIF89a", b"RIFF\0\0\0\0AVI ", b"%PDF-1.4", bytes(100)):
        assert media_type_of(data) is None
