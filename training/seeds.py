"""Counter-based randomness: every draw of a run follows from the recipe's seed and where in the run it happens.

Nothing random is carried from one step to the next, so a run that goes on from a checkpoint draws what an unbroken one
would.
"""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor


def derive_seed(seed: int, *place: str | int) -> int:
    """A seed for one place in a run, such as (seed, "ordered", epoch, step); 0 .. 2**63 - 1."""
    text = "/".join(str(part) for part in (seed, *place))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, *place: str | int) -> torch.Generator:
    """A CPU generator for one place in a run."""
    return torch.Generator().manual_seed(derive_seed(seed, *place))


def shuffled(count: int, seed: int, *place: str | int) -> Tensor:
    """A permutation of 0 .. count - 1 for one place in a run, (count,) int64."""
    return torch.randperm(count, generator=generator(seed, *place))
