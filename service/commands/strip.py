"""A picture of pictures: answers side by side, with a caption under each column."""

from __future__ import annotations

import io
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

_FONT_SIZE = 14
_MARGIN = 8
_PAPER, _INK = "white", "black"


def strip(columns: Sequence[Sequence[bytes]], captions: Sequence[str]) -> Image.Image:
    """Lay pictures out in columns.

    Args:
        columns: the encoded pictures of each column, from top to bottom.
        captions: one per column; lines are separated by newlines.
    """
    pictures = [[Image.open(io.BytesIO(data)).convert("RGB") for data in column] for column in columns]
    font = ImageFont.load_default(_FONT_SIZE)
    measure = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    boxes = [measure.multiline_textbbox((0, 0), caption, font=font) for caption in captions]
    widest = max(picture.width for column in pictures for picture in column)
    tallest = max(picture.height for column in pictures for picture in column)
    cell = max(widest, *(int(right) for _, _, right, _ in boxes))
    rows = max(len(column) for column in pictures)
    foot = max(int(bottom) for *_, bottom in boxes)
    size = (_MARGIN + (cell + _MARGIN) * len(pictures), _MARGIN + (tallest + _MARGIN) * rows + foot + _MARGIN)
    sheet = Image.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(sheet)
    for index, (column, caption) in enumerate(zip(pictures, captions, strict=True)):
        centre = _MARGIN + index * (cell + _MARGIN) + cell // 2
        for row, picture in enumerate(column):
            sheet.paste(picture, (centre - picture.width // 2, _MARGIN + row * (tallest + _MARGIN)))
        top = _MARGIN + rows * (tallest + _MARGIN)
        draw.multiline_text((centre, top), caption, fill=_INK, font=font, anchor="ma", align="center")
    return sheet
