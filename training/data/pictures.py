"""Image files of any size and mode as pictures to train on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.config import Media
from models.errors import DataError
from models.media.pictures import MODES, Box, box_at, centred_box, cut, enough, read_picture
from training.data.corpus import fraction

SMALLEST_CROP = 0.5  # of the largest that fits, side by side


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
        needed = enough(self.media) if self.square is None else None
        image = read_picture(content, MODES[self.media.shape[0]], needed)
        if self.square is not None:
            image = _centre(image, min(self.square, *image.size))
        return np.stack([cut(image, self.media, box) for box in self._boxes(name, image.size)])

    def _boxes(self, name: str, size: tuple[int, int]) -> list[Box]:
        _, height, width = self.media.shape
        largest = min(size[0] / width, size[1] / height)
        if self.crops == 1 or largest <= 1:  # a small image has no parts that are pictures of their own
            return [centred_box(size, self.media)]
        boxes = []
        for crop in range(self.crops):
            # Between half of what fits and all of it, but never so small that it must be enlarged.
            smallest = max(SMALLEST_CROP, 1 / largest)
            scale = largest * (smallest + (1 - smallest) * fraction(name, crop, "size"))
            across, down = fraction(name, crop, "across"), fraction(name, crop, "down")
            boxes.append(box_at(size, scale * width, scale * height, across, down))
        return boxes


def _centre(image: Image.Image, side: int) -> Image.Image:
    left, upper = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, upper, left + side, upper + side))
