from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from models.config import Media
from models.errors import DataError
from training.data.pictures import PictureDecoder

COLOUR = PictureDecoder(Media(type="image", shape=(3, 8, 8)))
GREY = PictureDecoder(Media(type="image", shape=(1, 8, 8)))


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def halves(size: tuple[int, int]) -> Image.Image:
    """White on the left, black on the right."""
    image = Image.new("L", size, 0)
    image.paste(255, (0, 0, size[0] // 2, size[1]))
    return image


def noise(size: tuple[int, int], seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))


def colour_of(pictures: NDArray[Any]) -> list[int]:
    """The colour of a picture of one colour."""
    assert len(pictures) == 1
    assert (pictures == pictures[:, :, :1, :1]).all()
    return [int(value) for value in pictures[0, :, 0, 0]]


def test_pixels_of_the_right_size_stay_as_they_are() -> None:
    image = noise((8, 8))
    assert np.array_equal(COLOUR("a", encoded(image))[0], np.asarray(image).transpose(2, 0, 1))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF"])
def test_every_format_is_read(kind: str) -> None:
    picture = COLOUR("a", encoded(Image.new("RGB", (16, 24), (255, 255, 255)), kind))
    assert picture.shape == (1, 3, 8, 8)
    assert picture.dtype == np.uint8
    assert picture.min() > 250


@pytest.mark.parametrize(
    ("mode", "colour", "seen"),
    [
        ("1", 1, [255, 255, 255]),
        ("L", 100, [100, 100, 100]),
        ("LA", (100, 0), [255, 255, 255]),
        ("RGB", (10, 20, 30), [10, 20, 30]),
        ("RGBA", (10, 20, 30, 255), [10, 20, 30]),
        ("RGBA", (10, 20, 30, 0), [255, 255, 255]),
        ("RGBA", (0, 0, 0, 51), [204, 204, 204]),
        ("I;16", 100 * 257, [100, 100, 100]),
    ],
)
def test_every_mode_is_composed_on_white(mode: str, colour: Any, seen: list[int]) -> None:
    assert colour_of(COLOUR("a", encoded(Image.new(mode, (16, 16), colour)))) == seen


def test_a_palette_and_other_models_of_colour() -> None:
    palette = Image.new("RGB", (8, 8), (0, 0, 255)).convert("P", palette=Image.Palette.ADAPTIVE)
    assert colour_of(COLOUR("a", encoded(palette, "GIF"))) == [0, 0, 255]
    assert colour_of(COLOUR("a", encoded(palette, "GIF", transparency=palette.getpixel((0, 0))))) == [255, 255, 255]
    assert colour_of(COLOUR("a", encoded(Image.new("CMYK", (8, 8), 0), "TIFF"))) == [255, 255, 255]
    assert colour_of(GREY("a", encoded(Image.new("RGB", (8, 8), (255, 255, 255))))) == [255]


def test_the_first_frame_counts() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ((255, 0, 0), (0, 255, 0))]
    content = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert colour_of(COLOUR("a", content)) == [255, 0, 0]


def test_the_shorter_side_fits_and_the_rest_is_cut_off_on_both_sides() -> None:
    image = Image.new("L", (32, 8), 0)
    image.paste(255, (12, 0, 20, 8))
    assert colour_of(GREY("a", encoded(image))) == [255]
    assert colour_of(GREY("a", encoded(image.rotate(90, expand=True)))) == [255]


def test_a_small_picture_is_enlarged() -> None:
    assert colour_of(GREY("a", encoded(Image.new("L", (3, 2), 77)))) == [77]


def test_orientation_is_as_exif_says() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees: what is left becomes the top
    picture = GREY("a", encoded(halves((64, 64)), "JPEG", exif=exif))[0, 0]
    assert picture[:3].min() > 200
    assert picture[5:].max() < 50


def test_sides_need_not_be_equal() -> None:
    decoder = PictureDecoder(Media(type="image", shape=(1, 4, 12)))
    assert decoder("a", encoded(halves((24, 24)))).shape == (1, 1, 4, 12)


def test_crops_are_several_different_parts_that_follow_from_the_name() -> None:
    decoder = PictureDecoder(Media(type="image", shape=(3, 8, 8)), crops=5)
    content = encoded(noise((100, 60)))
    first, again, other = decoder("a", content), decoder("a", content), decoder("b", content)
    assert first.shape == (5, 3, 8, 8)
    assert len({picture.tobytes() for picture in first}) == 5
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_small_picture_has_one_crop() -> None:
    decoder = PictureDecoder(Media(type="image", shape=(3, 8, 8)), crops=5)
    assert len(decoder("a", encoded(noise((20, 8))))) == 1


def test_a_crop_is_nowhere_outside_the_image() -> None:
    decoder = PictureDecoder(Media(type="image", shape=(1, 8, 8)), crops=200)
    for size in ((9, 9), (8, 300), (1000, 9)):
        assert (decoder("a", encoded(Image.new("L", size, 255))) == 255).all()


def test_a_square_is_cut_out_first() -> None:
    image = Image.new("L", (178, 218), 0)
    image.paste(255, (19, 39, 159, 179))
    assert colour_of(PictureDecoder(GREY.media, square=140)("a", encoded(image))) == [255]


def test_two_channels_are_refused() -> None:
    with pytest.raises(DataError, match=r"image files give 1 channel or 3, but media.shape is \[2, 8, 8\]"):
        PictureDecoder(Media(type="image", shape=(2, 8, 8)))
