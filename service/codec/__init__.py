"""The API process's side of the encoder: starts it when it is needed, and sees to it that each request gets one ending.

codec.py      submit, the queue, deadlines, endings
keeper.py     the process: started, given one request at a time, ended when idle
errand.py     a request as its caller sees it
timings.py    how long requests of a kind take
"""

from __future__ import annotations

from service.codec.codec import Codec
from service.codec.errand import Errand, Medium
from service.codec.keeper import CodecObserver

__all__ = ["Codec", "CodecObserver", "Errand", "Medium"]
