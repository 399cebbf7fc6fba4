"""Small PNGs, to be kept with the source: few colours, which plots and spectrograms have anyway."""

from __future__ import annotations

import io

from PIL import Image

COLOURS = (256, 128, 64, 32)
MOST_BYTES = 100_000


def compressed(png: bytes) -> bytes:
    """The same picture with a palette, of as many colours as `MOST_BYTES` allow; as it is, if that is smaller."""
    image = Image.open(io.BytesIO(png))
    best = png
    for colours in COLOURS:
        best = min(best, _with_palette(image, colours), key=len)
        if len(best) <= MOST_BYTES:
            break
    return best


def _with_palette(image: Image.Image, colours: int) -> bytes:
    reduced = image.convert("RGB").quantize(colours, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    reduced.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
