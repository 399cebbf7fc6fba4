"""A file becomes for the service what it becomes in training, or nothing, for a reason that can be told."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from PIL import Image

from models.config import Media
from models.media import TooLarge, Unreadable
from models.media.pictures import as_picture
from models.media.sound import as_clip
from training.data.pictures import PictureDecoder
from training.data.sound import SoundDecoder

COLOUR = Media(type="image", shape=(3, 8, 12))
GREY = Media(type="image", shape=(1, 8, 8))
CLIP = Media(type="audio", shape=(1, 64), sample_rate=8000)


def image_file(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def noise(width: int, height: int, mode: str = "RGB") -> Image.Image:
    pixels = np.random.default_rng(width * height).integers(0, 256, (height, width, 4), dtype=np.uint8)
    return Image.fromarray(pixels, "RGBA" if mode == "RGBA" else "CMYK").convert(mode)


def sound_file(samples: NDArray[Any], rate: int = 8000, kind: str = "WAV") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=kind)
    return file.getvalue()


def tone(samples: int, channels: int = 1) -> NDArray[np.float64]:
    wave = np.sin(np.arange(samples) / 7)[:, None] * np.linspace(0.2, 0.8, channels)
    return wave if channels > 1 else wave[:, 0]


def turned(image: Image.Image) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return image_file(image, "JPEG", exif=exif)


@pytest.mark.parametrize("media", [COLOUR, GREY], ids=["colour", "grey"])
@pytest.mark.parametrize(
    "content",
    [
        image_file(noise(12, 8)),
        image_file(noise(40, 30)),
        image_file(noise(3, 50)),
        image_file(noise(2000, 1500), "JPEG"),
        image_file(noise(20, 20, "CMYK"), "JPEG"),
        image_file(noise(20, 20, "RGBA")),
        image_file(noise(20, 20).convert("P")),
        image_file(noise(31, 33), "WEBP"),
        image_file(Image.fromarray(np.arange(400, dtype=np.uint16).reshape(20, 20) * 150)),
        turned(noise(60, 20)),
    ],
    ids=["exact", "larger", "narrow", "huge-jpeg", "cmyk", "alpha", "palette", "webp", "16-bit", "exif"],
)
def test_a_picture_is_the_one_of_training(media: Media, content: bytes) -> None:
    (expected,) = PictureDecoder(media)("name", content)
    picture = as_picture(content, media)
    assert picture.dtype == np.uint8
    assert picture.tolist() == expected.tolist()


@pytest.mark.parametrize("rate", [8000, 11025, 44100])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG"])
def test_a_clip_is_the_first_of_training(rate: int, channels: int, kind: str) -> None:
    content = sound_file(tone(2000, channels), rate, kind)
    expected = SoundDecoder(CLIP)("name", content)[0]
    clip = as_clip(content, CLIP)
    assert clip.dtype == np.int16
    assert clip.tolist() == expected.tolist()


def test_padding_keeps_everything() -> None:
    white = image_file(Image.new("L", (24, 8), 255))
    picture = as_picture(white, GREY, "pad")
    assert picture.shape == (1, 8, 8)
    assert (picture[0, 3:5] > 250).all()
    assert (picture[0, :2] == 0).all()
    assert (picture[0, 6:] == 0).all()
    clip = as_clip(sound_file(tone(5)), CLIP, "pad")
    assert clip.shape == (1, 64)
    assert (clip[0, 5:] == 0).all()
    assert clip[0, 1:5].all()


def test_padding_never_makes_a_side_of_nothing() -> None:
    assert as_picture(image_file(Image.new("L", (2000, 2), 255)), GREY, "pad").max() > 0


@pytest.mark.parametrize(
    ("content", "media", "fit", "why"),
    [
        (image_file(noise(9, 8)), GREY, "exact", "is 9 x 8 pixels, and must be 8 x 8"),
        (sound_file(tone(65)), CLIP, "exact", "has 65 samples at 8000 per second, and must have exactly 64"),
        (sound_file(tone(64), 16000), CLIP, "exact", "has 1 channels at 16000 samples per second, and must have 1"),
        (sound_file(tone(64, 2)), CLIP, "exact", "has 2 channels at 8000"),
        (sound_file(tone(65)), CLIP, "pad", "must have at most 64"),
        (sound_file(tone(31)), CLIP, "crop", "is too short, 31 samples"),
        (sound_file(tone(0)), CLIP, "pad", "is too short, 0 samples"),
    ],
)
def test_what_does_not_fit_is_told(content: bytes, media: Media, fit: Any, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        (as_picture if media.type == "image" else as_clip)(content, media, fit)


def test_what_fits_exactly_is_taken_as_it_is() -> None:
    image = noise(8, 8).convert("L")
    assert as_picture(image_file(image), GREY, "exact")[0].tolist() == np.asarray(image).tolist()
    samples = (tone(64) * 32767).astype(np.int16)
    assert as_clip(sound_file(samples), CLIP, "exact")[0].tolist() == samples.tolist()


def test_files_that_hold_too_much_are_not_read() -> None:
    bomb = image_file(Image.new("1", (5000, 5000)))
    assert len(bomb) < 10_000
    with pytest.raises(TooLarge, match="has 5000 x 5000 pixels, and 24999999 are the most"):
        as_picture(bomb, GREY, most=24_999_999)
    assert as_picture(bomb, GREY, most=25_000_000).max() == 0
    silence = sound_file(np.zeros((100_000, 2)), kind="FLAC")
    with pytest.raises(TooLarge, match="has 100000 samples of 2 channels, and 199999 in all are the most"):
        as_clip(silence, CLIP, most=199_999)
    assert as_clip(silence, CLIP, most=200_000).max() == 0
