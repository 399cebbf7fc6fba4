"""Arithmetic whose result for one row does not depend on the rows beside it.

A matrix product usually rounds differently for a batch of 1 than for a batch of 64, which would now and then turn one
drawn code into another. Intel's library can be told to fix its order of operations; where it cannot,
`invariant_buckets` finds the batch sizes that happen to agree.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from functools import cache

import torch
from torch import Tensor

from models.prior import Prior
from models.runtime.incremental import incremental

_STRICT_MODES = {"AVX512": "AVX512,STRICT", "AVX2": "AVX2,STRICT"}


def configure() -> None:
    """Ask the CPU's matrix library for strict reproducibility; must run before a process's first matrix product."""
    mode = _STRICT_MODES.get(torch.backends.cpu.get_cpu_capability())
    if mode:
        os.environ.setdefault("MKL_CBWR", mode)
    torch.backends.cuda.matmul.allow_tf32 = False


@cache
def prepare(threads: int) -> None:
    """The same for a process that only serves, with so many threads; once, before its first matrix product."""
    configure()
    torch.set_num_threads(threads)
    torch.set_num_interop_threads(1)


@torch.inference_mode()
def invariant_buckets(prior: Prior, slots: int, buckets: Sequence[int]) -> tuple[int, ...]:
    """Those batch sizes in which every row of a prior's step is bit for bit what it is among all `slots` rows.

    The full table itself always is, since there each slot keeps its own row.

    Args:
        slots: rows of the full table, the largest bucket.
        buckets: ascending batch sizes, the last of which is `slots`.

    Returns:
        The buckets to use, ascending; at least the last one.
    """
    stepped, device = incremental(prior, slots), prior.device
    generator = torch.Generator().manual_seed(0)
    positions = torch.arange(slots, device=device) % prior.codes
    tokens = torch.randint(prior.codebook, (slots,), generator=generator).to(device)

    def logits(bucket: int) -> Tensor:
        stepped.scramble(torch.Generator().manual_seed(1))  # some steps replace what they read
        found = torch.empty(slots, prior.codebook, device=device)
        for rows in chunks(slots, bucket):
            chunk = torch.tensor(rows, device=device)
            found[chunk] = stepped.step(tokens[chunk], positions[chunk], chunk)
        return found

    return agreeing_buckets(slots, buckets, logits)


def agreeing_buckets(slots: int, buckets: Sequence[int], compute: Callable[[int], Tensor]) -> tuple[int, ...]:
    """Those batch sizes, ascending, by which the same is computed as by all `slots` rows at once; at least that one.

    Args:
        buckets: ascending, the last of which is `slots`.
        compute: the same for every slot, in batches of a size.
    """
    reference = compute(slots)
    return (*(bucket for bucket in buckets[:-1] if torch.equal(compute(bucket), reference)), slots)


def chunks(slots: int, size: int) -> Iterator[list[int]]:
    """All slots, so many at a time; the last of a chunk that is short is repeated."""
    for start in range(0, slots, size):
        yield [min(slot, slots - 1) for slot in range(start, start + size)]
