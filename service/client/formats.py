"""What files are called that hold samples."""

from __future__ import annotations

FORMATS: dict[str, str] = {
    ".png": "png",
    ".webp": "webp",
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
    ".wav": "wav",
    ".flac": "flac",
    ".ogg": "ogg",
    ".npy": "npy",
}
"""By suffix, how a request asks for the format."""

PICTURES = ("png", "webp", "jpeg")


def format_of(media_type: str) -> str:
    """How a request asks for a media type, as `npy` for `application/x-npy`."""
    return media_type.rpartition("/")[2].removeprefix("x-")


def suffixes_of(media_type: str) -> tuple[str, ...]:
    """The suffixes of files of a media type."""
    return tuple(suffix for suffix, name in FORMATS.items() if name == format_of(media_type))
