"""Image files of any size and mode as pictures of one shape."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from models.config import Media
from models.errors import DataError
from training.data.corpus import Unreadable, fraction

# Only these are tried, whatever a file's name says: Pillow can also hand files to other programs.
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
MODES = {1: "L", 3: "RGB"}
SMALLEST_CROP = 0.5  # of the largest that fits, side by side


class _Box(NamedTuple):
    """A part of an image, in its pixels."""

    left: float
    upper: float
    right: float
    lower: float


@dataclass(frozen=True, slots=True)
class PictureDecoder:
    """Makes pictures (n, C, H, W) uint8 of image files.

    The first frame counts, it is turned as its EXIF says, and what is transparent becomes white.

    Attributes:
        media: what a picture is to be; one channel is grey, three are red, green and blue.
        crops: pictures made of an image; 1 is the largest part that fits, in the centre.
        square: side of the square in an image's centre that all else is cut off from; None keeps the whole.
    """

    media: Media
    crops: int = 1
    square: int | None = None

    def __post_init__(self) -> None:
        if self.media.shape[0] not in MODES:
            raise DataError(f"image files give 1 channel or 3, but media.shape is {list(self.media.shape)}")

    def __call__(self, name: str, content: bytes) -> NDArray[Any]:
        """The pictures of a file; where crops are cut follows from its name. Raises Unreadable, or what Pillow does."""
        channels, height, width = self.media.shape
        needed = int(2 * max(height, width) / SMALLEST_CROP) if self.square is None else None
        image = read_picture(content, MODES[channels], needed)
        if self.square is not None:
            image = _centre(image, min(self.square, *image.size))
        boxes = self._boxes(name, image.size)
        pictures = [image.resize((width, height), Image.Resampling.LANCZOS, box) for box in boxes]
        return np.stack([np.asarray(picture).reshape(height, width, channels) for picture in pictures]).transpose(
            0, 3, 1, 2
        )

    def _boxes(self, name: str, size: tuple[int, int]) -> list[_Box]:
        _, height, width = self.media.shape
        largest = min(size[0] / width, size[1] / height)
        if self.crops == 1 or largest <= 1:  # a small image has no parts that are pictures of their own
            return [_box(size, largest * width, largest * height, 0.5, 0.5)]
        boxes = []
        for crop in range(self.crops):
            # Between half of what fits and all of it, but never so small that it must be enlarged.
            smallest = max(SMALLEST_CROP, 1 / largest)
            scale = largest * (smallest + (1 - smallest) * fraction(name, crop, "size"))
            across, down = fraction(name, crop, "across"), fraction(name, crop, "down")
            boxes.append(_box(size, scale * width, scale * height, across, down))
        return boxes


def read_picture(content: bytes, mode: str, needed: int | None = None) -> Image.Image:
    """The first frame of an image file, turned as its EXIF says and on white, as `L` or `RGB`.

    Args:
        needed: pixels that each side must have for what becomes of it; None keeps all that there are.

    Raises:
        Unreadable: if the file is of no known format. Pillow raises errors of other kinds at damaged ones.
    """
    with _open(content) as file:
        if needed is not None:
            # A JPEG file much larger than needed is decoded at a fraction of its size.
            file.draft(None, (needed, needed))
        return _plain(ImageOps.exif_transpose(file), mode)


def _open(content: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(content), formats=FORMATS)
    except UnidentifiedImageError as error:
        raise Unreadable(f"is none of {', '.join(FORMATS)}, or damaged") from error


def _box(size: tuple[int, int], width: float, height: float, across: float, down: float) -> _Box:
    """A box of a width and height, so far across and down an image as it can be moved, 0 to 1."""
    left, upper = across * (size[0] - width), down * (size[1] - height)
    return _Box(left, upper, min(left + width, size[0]), min(upper + height, size[1]))


def _centre(image: Image.Image, side: int) -> Image.Image:
    left, upper = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, upper, left + side, upper + side))


def _plain(image: Image.Image, mode: str) -> Image.Image:
    """An image of any mode as `L` or `RGB`."""
    if image.mode.startswith("I"):
        # Sixteen bits per pixel, which Pillow would clip and not scale.
        image = Image.fromarray((np.asarray(image, dtype=np.int64).clip(0, 65535) // 257).astype(np.uint8))
    if image.has_transparency_data:
        coloured = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", coloured.size, "white"), coloured)
    return image.convert(mode)
