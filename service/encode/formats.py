"""Which formats each kind of media has, and what they can hold."""

from __future__ import annotations

from models.config import Media

MEDIA_TYPES: dict[str, str] = {
    "png": "image/png",
    "webp": "image/webp",
    "jpeg": "image/jpeg",
    "wav": "audio/wav",
    "flac": "audio/flac",
    "ogg": "audio/ogg",
    "npy": "application/x-npy",
}

_BEGINNINGS = {
    "png": (b"\x89PNG\r\n\x1a\n", b""),
    "webp": (b"RIFF", b"WEBP"),
    "jpeg": (b"\xff\xd8\xff", b""),
    "wav": (b"RIFF", b"WAVE"),
    "flac": (b"fLaC", b""),
    "ogg": (b"OggS", b""),
    "npy": (b"\x93NUMPY", b""),
}  # the first bytes, and those from the ninth on
_FORMATS = {"image": ("png", "webp", "jpeg", "npy"), "audio": ("wav", "flac", "ogg", "npy")}
_LONGEST_SIDE = {"png": 65_535, "webp": 16_383, "jpeg": 65_500}
_MOST_CHANNELS = {"wav": 1024, "flac": 8, "ogg": 255}  # with more, libvorbis brings the process down
_HIGHEST_RATE = 192_000  # samples per second; libvorbis survives 200,000
_HIGHEST_ODD_FLAC_RATE = 65_535  # above it FLAC counts in tens


def formats_of(media: Media) -> tuple[str, ...]:
    """The formats that samples of this media can be sent in, the usual one first; keys of `MEDIA_TYPES`."""
    return _FORMATS[media.type]


def media_type_of(data: bytes) -> str | None:
    """The media type of a file, by its first bytes; None if it is of no known format."""
    for name, (first, ninth) in _BEGINNINGS.items():
        if data.startswith(first) and data.startswith(ninth, 8):
            return MEDIA_TYPES[name]
    return None


def check_encodable(media: Media, file_format: str, scale: int) -> None:
    """Raise ValueError, in words that a client may read, if `encode` could not write a sample of this media."""
    if file_format not in formats_of(media):
        raise ValueError(f"{media.type} has no format {file_format!r}, only {', '.join(formats_of(media))}")
    if media.sample_rate is not None:
        _check_clip(media.shape[0], media.sample_rate, file_format, scale)
    elif file_format != "npy":
        _check_picture(media.shape, file_format, scale)


def _check_picture(shape: tuple[int, ...], file_format: str, scale: int) -> None:
    if shape[0] not in (1, 3):
        raise ValueError(f"{file_format} takes grey or RGB images, not samples of shape {list(shape)}")
    longest = max(shape[1:]) * scale
    if longest > _LONGEST_SIDE[file_format]:
        raise ValueError(f"{file_format} holds at most {_LONGEST_SIDE[file_format]} pixels a side, not {longest}")


def _check_clip(channels: int, sample_rate: int, file_format: str, scale: int) -> None:
    if scale != 1:
        raise ValueError("only pictures are enlarged, and the scale of audio is 1")
    if file_format == "npy":
        return
    if channels > _MOST_CHANNELS[file_format]:
        raise ValueError(f"{file_format} holds at most {_MOST_CHANNELS[file_format]} channels, not {channels}")
    if sample_rate > _HIGHEST_RATE:
        raise ValueError(f"{file_format} is written at {_HIGHEST_RATE} samples per second at most, not {sample_rate}")
    if file_format == "flac" and sample_rate > _HIGHEST_ODD_FLAC_RATE and sample_rate % 10:
        raise ValueError(
            f"flac above {_HIGHEST_ODD_FLAC_RATE} samples per second needs a multiple of ten, not {sample_rate}"
        )
