"""A text in a WAV file: the comment of a LIST chunk of type INFO, at the end."""

from __future__ import annotations

from service.client.containers import riff

_INFO, _COMMENT, _OURS = b"INFO", b"ICMT", b'{"anytime":'


def put(data: bytes, text: str) -> bytes:
    """The file with a text in it."""
    kind, chunks = riff.read(data)
    kept = [(name, content) for name, content in chunks if _text_in(name, content) is None]
    comment = _INFO + riff.joined([(_COMMENT, text.encode("ascii") + b"\0")])
    return riff.write(kind, [*kept, (b"LIST", comment)])


def get(data: bytes) -> str | None:
    """The text in a file."""
    _, chunks = riff.read(data)
    return next((text for name, content in chunks if (text := _text_in(name, content)) is not None), None)


def _text_in(name: bytes, content: bytes) -> str | None:
    """Our comment in a chunk."""
    if name != b"LIST" or not content.startswith(_INFO):
        return None
    for field, value in riff.chunks(content[len(_INFO) :]):
        if field == _COMMENT and value.startswith(_OURS):
            return value.rstrip(b"\0").decode("ascii")
    return None
