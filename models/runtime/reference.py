"""The plain executor: PyTorch, on CPU or CUDA, that every other one is checked against."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from models.build import Autoencoder
from models.prior import Prior
from models.runtime.buckets import power_of_two_buckets
from models.runtime.determinism import invariant_buckets
from models.runtime.executor import Draw
from models.runtime.incremental import incremental
from models.runtime.sampling import draw

# Columns of the table of how codes are drawn; from the last one on, the uniform number of each code.
_TEMPERATURE, _TOP_K, _TOP_P, _UNIFORMS = range(4)


def _channels_innermost(autoencoder: Autoencoder) -> Autoencoder:
    """Lay out the weights of 2-D convolutions so that they run up to twice as fast on the CPU; in place."""
    for parameter in autoencoder.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.contiguous(memory_format=torch.channels_last)
    return autoencoder


class ReferenceExecutor:
    """One preallocated memory of earlier positions; a step runs over a padded bucket of rows.

    Every buffer has one row per slot and a last, spare row for padding to point at: what lands there is never read.
    """

    name = "reference"

    @torch.inference_mode()
    def __init__(self, autoencoder: Autoencoder, prior: Prior, slots: int) -> None:
        self.buckets = invariant_buckets(prior, slots, power_of_two_buckets(slots))
        self._slots = slots
        self._autoencoder = _channels_innermost(autoencoder)
        self._device = prior.device
        rows = slots + 1
        self._incremental = incremental(prior, rows)
        # Per row: the token to feed and the position it is for; how codes are drawn; the codes.
        self._state = torch.tensor([[prior.vocabulary.start_token(None), 0]], device=self._device).repeat(rows, 1)
        self._draws = torch.zeros((rows, _UNIFORMS + prior.codes), dtype=torch.float64, device=self._device)
        self._draws[:, :_UNIFORMS] = 1.0  # valid for the spare row, too
        self._codes = torch.zeros((rows, prior.codes), dtype=torch.int64, device=self._device)
        self._codebook = prior.codebook
        self._restricted: set[int] = set()  # slots whose draw looks at top_k and top_p
        # By slot, the tokens before the present one that have not been read.
        self._unread: dict[int, Sequence[int]] = {}

    @property
    def weight_bytes(self) -> int:
        """See `Executor`."""
        return self._incremental.weight_bytes

    @torch.inference_mode()
    def begin(self, slot: int, tokens: Sequence[int], draw: Draw) -> None:
        """See `Executor.begin`."""
        restricted = draw.top_k < self._codebook or draw.top_p < 1
        (self._restricted.add if restricted else self._restricted.discard)(slot)
        table = np.concatenate(((draw.temperature, draw.top_k, draw.top_p), draw.uniforms))
        self._draws[slot] = torch.from_numpy(table)
        given = len(tokens) - 1
        self._state[slot] = torch.tensor([tokens[-1], given])
        self._unread.pop(slot, None)
        if given:
            self._codes[slot, :given] = torch.tensor(tokens[1:])
            self._unread[slot] = tokens[:-1]

    @torch.inference_mode()
    def step(self, slots: Sequence[int]) -> None:
        """See `Executor.step`."""
        if self._unread:
            self._read([slot for slot in slots if slot in self._unread])
        rows = torch.tensor(self._rows(slots), device=self._device)
        tokens, positions = self._state.index_select(0, rows).unbind(1)
        draws = self._draws.index_select(0, rows)
        drawn = draw(
            self._incremental.step(tokens, positions, rows),
            draws.gather(1, _UNIFORMS + positions[:, None]).squeeze(1),
            draws[:, _TEMPERATURE],
            draws[:, _TOP_K],
            draws[:, _TOP_P],
            restricted=not self._restricted.isdisjoint(slots),
        )
        self._codes[rows, positions] = drawn
        self._state[rows] = torch.stack((drawn, positions + (rows < self._slots)), dim=1)

    def wait(self) -> None:
        """See `Executor.wait`."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)

    @torch.inference_mode()
    def decode(self, slots: Sequence[int]) -> NDArray[np.float32]:
        """See `Executor.decode`."""
        rows = torch.tensor(slots, device=self._device)
        media = self._autoencoder.decode_codes(self._codes[rows], self._state[rows, 1])
        decoded: NDArray[np.float32] = media.contiguous().cpu().numpy()
        return decoded

    def codes(self, slots: Sequence[int]) -> list[list[int]]:
        """See `Executor.codes`."""
        rows: list[list[int]] = self._codes[torch.tensor(slots, device=self._device)].tolist()
        return rows

    def positions(self) -> list[int]:
        """See `Executor.positions`."""
        positions: list[int] = self._state[: self._slots, 1].tolist()
        return positions

    def _read(self, slots: Sequence[int]) -> None:
        """Bring the codes that were given into the prior's memory, as many at a time as the buckets and it allow.

        In the full table a row is its slot's, and reads one at a time; so do all where a position needs the one before.
        """
        width = self.buckets[-2] if len(self.buckets) > 1 and not self._incremental.sequential else 1
        for slot in slots:
            tokens = self._unread[slot]
            for start in range(0, len(tokens), width):
                unread = iter(enumerate(tokens[start : start + width], start))
                rows = self._rows([slot] * len(tokens[start : start + width]))
                fed = [(row, *(next(unread) if row == slot else (0, 0))) for row in rows]
                row, position, token = torch.tensor(fed, device=self._device).unbind(1)
                self._incremental.step(token, position, row)
            del self._unread[slot]  # not before: if there was too little memory, all are read again

    def _rows(self, slots: Sequence[int]) -> list[int]:
        """The rows of the smallest bucket that holds the slots, padded with the spare row.

        In the full table every slot has its own row, whoever else is there (`invariant_buckets` relies on it).
        """
        bucket = self.buckets[bisect_left(self.buckets, len(slots))]
        spare = self._slots
        if bucket == self._slots:
            chosen = set(slots)
            return [slot if slot in chosen else spare for slot in range(self._slots)]
        return [*slots, *[spare] * (bucket - len(slots))]
