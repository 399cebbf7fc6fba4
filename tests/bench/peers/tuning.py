"""What can be set about the servers that are compared, in one place for all of them."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parents[3]
BUNDLE = ROOT / "models" / "pretrained" / "fashion-mnist"
SLOTS = 64
"""Samples in progress at once: the service's own default, and the most that any of the others batches."""
THREADS = 1
"""Of the model's arithmetic, in the one worker process that each server has."""
PATH = "/v1/generate"

_VARIABLE = "PEERS_TUNING"


class Tuning(msgspec.Struct, frozen=True):
    """How a peer is set up; each uses what it has.

    Attributes:
        max_batch: samples that are drawn together.
        wait_ms: for how long the first request of a batch waits for others.
        timeout_ms: what has waited longer is given up.
        slack_ms: what has less than this left of its own deadline is not begun.
        queue: requests that may wait; those beyond it are refused.
        codes: of every sample; 0 for all that there are.
    """

    max_batch: int = SLOTS
    wait_ms: float = 5.0
    timeout_ms: float = 200.0
    slack_ms: float = 0.0
    queue: int = 1024
    codes: int = 0

    def environment(self) -> dict[str, str]:
        """Tells a server's processes, all of which inherit it."""
        return {_VARIABLE: msgspec.json.encode(self).decode()}


def tuning() -> Tuning:
    """How the server that this process belongs to is set up."""
    return msgspec.json.decode(os.environ.get(_VARIABLE, "{}"), type=Tuning)
