"""A text in a file of each format, beside the pixels or sounds, of which no byte is changed.

png.py      an iTXt chunk named `anytime`
webp.py     an XMP chunk           jpeg.py   an XMP segment (APP1)
wav.py      the comment (ICMT) of a LIST chunk of type INFO
flac.py     a Vorbis comment, ANYTIME=…, in the block for them
ogg.py      the same, in the stream's second packet
npy.py      a second array, of bytes, after the first: `np.load` twice from the open file

Each has `put(data, text) -> bytes`, which takes the place of a text that is there, and `get(data) -> str | None`. Texts
are ASCII. Both raise ValueError (or IndexError, struct.error) for what is no whole file of the format.
"""

from __future__ import annotations

from types import ModuleType

from service.client.containers import flac, jpeg, npy, ogg, png, wav, webp


def container_of(data: bytes) -> ModuleType | None:
    """What can put a text into such a file, by its first bytes; None if nothing can."""
    for start, middle, module in (
        (b"\x89PNG\r\n\x1a\n", b"", png),
        (b"RIFF", b"WEBP", webp),
        (b"RIFF", b"WAVE", wav),
        (b"\xff\xd8\xff", b"", jpeg),
        (b"fLaC", b"", flac),
        (b"OggS", b"", ogg),
        (b"\x93NUMPY", b"", npy),
    ):
        if data.startswith(start) and data[8:].startswith(middle):
            return module
    return None
