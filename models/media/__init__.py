"""From files to samples: pictures and clips of one shape, made alike for training and for serving.

pictures.py   image files
sound.py      audio files

Samples are kept as they are stored, in integers; `FULL_SCALE` of either module is what 1.0 is in them. Imports no
torch.
"""

from __future__ import annotations

from typing import Literal

# What becomes of a file that is not of a sample's size: its largest part in the centre (of sound, its beginning), all
# of it with something added around it, or nothing: it is refused.
Fit = Literal["crop", "pad", "exact"]


class Unreadable(Exception):
    """A file that cannot become samples, and why, in words that may be shown to whoever sent it."""


class TooLarge(Unreadable):
    """A file that holds more than its reader allows, whatever its own size in bytes."""
