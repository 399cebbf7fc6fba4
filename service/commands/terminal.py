"""Pictures in a terminal: as files where it can draw them, else two pixels to a letter."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from enum import Enum

from PIL import Image
from rich.color import Color
from rich.console import Console
from rich.style import Style
from rich.text import Text

_KITTY_CHUNK = 4096  # bytes of base64 in one escape sequence
_UPPER_HALF = "▀"
_GAP = 2  # columns between pictures


class Protocol(Enum):
    """How a terminal is given a picture."""

    NONE = "none"
    BLOCKS = "blocks"
    KITTY = "kitty"
    ITERM = "iterm"


def protocol_of(console: Console, variables: Mapping[str, str]) -> Protocol:
    """What a console can show, judged by the variables that terminals set. None at all where there is no terminal."""
    if not console.is_terminal or console.color_system is None or console.is_dumb_terminal:
        return Protocol.NONE
    if "TMUX" in variables or "STY" in variables:  # which pass no pictures on
        return Protocol.BLOCKS
    term, program = variables.get("TERM", ""), variables.get("TERM_PROGRAM", "")
    if "KITTY_WINDOW_ID" in variables or "kitty" in term or "ghostty" in (term, program) or "ghostty" in term:
        return Protocol.KITTY
    if program in ("iTerm.app", "WezTerm") or variables.get("LC_TERMINAL") == "iTerm2":
        return Protocol.ITERM
    return Protocol.BLOCKS


def show(console: Console, protocol: Protocol, file: bytes, pictures: Sequence[Image.Image]) -> None:
    """Draw a picture, if that is possible.

    Args:
        file: for terminals that draw files; a PNG, WebP or JPEG.
        pictures: for those that do not, of as few pixels as it has; side by side.
    """
    if protocol is Protocol.KITTY:
        _write(console, kitty(_as_png(file)))
    elif protocol is Protocol.ITERM:
        _write(console, iterm(file))
    elif protocol is Protocol.BLOCKS:
        console.print(blocks(grid(pictures, console.width)), end="")


def kitty(png: bytes) -> str:
    """Kitty's graphics protocol: a PNG in base64, in chunks; no answer is asked for."""
    text = base64.standard_b64encode(png).decode()
    chunks = [text[start : start + _KITTY_CHUNK] for start in range(0, len(text), _KITTY_CHUNK)]
    head = "a=T,f=100,q=2,"
    return "".join(
        f"\x1b_G{head if place == 0 else ''}m={int(place < len(chunks) - 1)};{chunk}\x1b\\"
        for place, chunk in enumerate(chunks)
    )


def iterm(file: bytes) -> str:
    """iTerm2's inline images: any file in base64."""
    text = base64.standard_b64encode(file).decode()
    return f"\x1b]1337;File=inline=1;size={len(file)};preserveAspectRatio=1:{text}\x07"


def grid(pictures: Sequence[Image.Image], columns: int) -> Image.Image:
    """Pictures of one size side by side, in as many rows as it takes; made smaller if even one is too wide."""
    width, height = pictures[0].size
    if width > columns:
        shrunk = (columns, max(1, round(height * columns / width)))
        pictures = [each.resize(shrunk, Image.Resampling.BOX) for each in pictures]
        width, height = shrunk
    across = min(len(pictures), (columns + _GAP) // (width + _GAP))
    down = -(-len(pictures) // across)
    sheet = Image.new("RGB", (across * (width + _GAP) - _GAP, down * (height + _GAP) - _GAP))
    for place, picture in enumerate(pictures):
        corner = (place % across * (width + _GAP), place // across * (height + _GAP))
        sheet.paste(picture.convert("RGB"), corner)
    return sheet


def blocks(picture: Image.Image) -> Text:
    """A picture in letters, each the colours of a pixel and the one below it."""
    pixels = picture.convert("RGB").load()
    assert pixels is not None  # noqa: S101 (it is loaded)
    text = Text()
    for row in range(0, picture.height, 2):
        for column in range(picture.width):
            upper = Color.from_rgb(*pixels[column, row])  # type: ignore[misc]
            below = row + 1 < picture.height
            lower = Color.from_rgb(*pixels[column, row + 1]) if below else None  # type: ignore[misc]
            text.append(_UPPER_HALF, Style(color=upper, bgcolor=lower))
        text.append("\n")
    return text


def small(file: bytes, scale: int) -> Image.Image:
    """A picture as the model made it, before it was enlarged by a whole factor."""
    picture = Image.open(io.BytesIO(file)).convert("RGB")
    return picture.resize((picture.width // scale, picture.height // scale), Image.Resampling.NEAREST)


def _as_png(file: bytes) -> bytes:
    if file.startswith(b"\x89PNG"):
        return file
    buffer = io.BytesIO()
    Image.open(io.BytesIO(file)).save(buffer, "PNG")
    return buffer.getvalue()


def _write(console: Console, sequence: str) -> None:
    """An escape sequence, past rich, which would count its letters."""
    console.file.write(sequence + "\n")
    console.file.flush()
