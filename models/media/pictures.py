"""Image files of any size and mode as pictures of one shape."""

from __future__ import annotations

import io
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from models.config import Media
from models.media import Fit, TooLarge, Unreadable

FULL_SCALE = 255  # 1.0 as it is stored
# Only these are tried, whatever a file's name says: Pillow can also hand files to other programs.
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
MODES = {1: "L", 3: "RGB"}
_SPARE = 4  # of a JPEG file much larger than a picture, so many times the picture's pixels are kept along each side


class Box(NamedTuple):
    """A part of an image, in its pixels."""

    left: float
    upper: float
    right: float
    lower: float


def as_picture(content: bytes, media: Media, fit: Fit = "crop", most: int | None = None) -> NDArray[np.uint8]:
    """The one picture (C, H, W) of an image file; with `crop`, what training makes of it, too.

    Args:
        media: of 1 channel or 3.
        fit: `pad` adds black.
        most: pixels that the file may have; None sets no limit but Pillow's.

    Raises:
        TooLarge: if it has more.
        Unreadable: if it is of no known format, or not of the exact size. Pillow raises errors of other kinds at
            damaged ones.
    """
    channels, height, width = media.shape
    image = read_picture(content, MODES[channels], None if fit == "exact" else enough(media), most)
    if fit == "exact" and image.size != (width, height):
        raise Unreadable(f"is {image.width} x {image.height} pixels, and must be {width} x {height}")
    return padded(image, media) if fit == "pad" else cut(image, media, centred_box(image.size, media))


def read_picture(content: bytes, mode: str, needed: int | None = None, most: int | None = None) -> Image.Image:
    """The first frame of an image file, turned as its EXIF says and on white, as `L` or `RGB`.

    Args:
        needed: pixels that each side must have for what becomes of it; None keeps all that there are.
        most: pixels that it may have in all; None sets no limit but Pillow's.

    Raises:
        TooLarge: if it has more.
        Unreadable: if the file is of no known format. Pillow raises errors of other kinds at damaged ones.
    """
    with _open(content) as file:
        if most is not None and file.width * file.height > most:
            raise TooLarge(f"has {file.width} x {file.height} pixels, and {most} are the most to be read")
        if needed is not None:
            # A JPEG file much larger than needed is decoded at a fraction of its size.
            file.draft(None, (needed, needed))
        return _plain(ImageOps.exif_transpose(file), mode)


def enough(media: Media) -> int:
    """Pixels that each side of an image must keep for any part of it that is half as wide to lose nothing."""
    return _SPARE * max(media.shape[1:])


def centred_box(size: tuple[int, int], media: Media) -> Box:
    """The largest part of an image of this width and height that has a picture's proportions, in its centre."""
    _, height, width = media.shape
    largest = min(size[0] / width, size[1] / height)
    return box_at(size, largest * width, largest * height, 0.5, 0.5)


def box_at(size: tuple[int, int], width: float, height: float, across: float, down: float) -> Box:
    """A box of a width and height, so far across and down an image as it can be moved, 0 to 1."""
    left, upper = across * (size[0] - width), down * (size[1] - height)
    return Box(left, upper, min(left + width, size[0]), min(upper + height, size[1]))


def cut(image: Image.Image, media: Media, box: Box) -> NDArray[np.uint8]:
    """A part of an image (`L` or `RGB`) as a picture (C, H, W)."""
    _, height, width = media.shape
    return _array(image.resize((width, height), Image.Resampling.LANCZOS, box), media)


def padded(image: Image.Image, media: Media) -> NDArray[np.uint8]:
    """All of an image (`L` or `RGB`) as a picture (C, H, W), with black where it has other proportions."""
    _, height, width = media.shape
    scale = min(width / image.width, height / image.height)
    across, down = max(round(scale * image.width), 1), max(round(scale * image.height), 1)
    canvas = Image.new(image.mode, (width, height))
    inside = image.resize((across, down), Image.Resampling.LANCZOS)
    canvas.paste(inside, ((width - across) // 2, (height - down) // 2))
    return _array(canvas, media)


def _array(picture: Image.Image, media: Media) -> NDArray[np.uint8]:
    channels, height, width = media.shape
    pixels: NDArray[Any] = np.asarray(picture).reshape(height, width, channels)
    return pixels.transpose(2, 0, 1)


def _open(content: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(content), formats=FORMATS)
    except UnidentifiedImageError as error:
        raise Unreadable(f"is none of {', '.join(FORMATS)}, or damaged") from error
    except Image.DecompressionBombError as error:
        raise TooLarge("has more pixels than are read") from error


def _plain(image: Image.Image, mode: str) -> Image.Image:
    """An image of any mode as `L` or `RGB`."""
    if image.mode.startswith("I"):
        # Sixteen bits per pixel, which Pillow would clip and not scale.
        image = Image.fromarray((np.asarray(image, dtype=np.int64).clip(0, 65535) // 257).astype(np.uint8))
    if image.has_transparency_data:
        coloured = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", coloured.size, "white"), coloured)
    return image.convert(mode)
