"""What a device keeps of each slot, in one row of a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from models.runtime.executor import Draw
from models.vocabulary import Vocabulary

# Columns: those that every step looks up come first, and those of which there are several last.
_POSITION, _TOP_K, _TEMPERATURE, _TOP_P, _TOKENS = range(5)


class Heads(NamedTuple):
    """What a step looks up of each row of a batch: (B,) int64 and float64."""

    positions: Tensor
    top_k: Tensor
    temperature: Tensor
    top_p: Tensor


class Records:
    """A row of 8-byte numbers for each slot, and a last, spare one for padding to point at.

    It holds the position, how codes are drawn, the tokens (the start token, then the codes) and the uniform number of
    each code. All in one table, so that a slot is filled by one copy, what a step looks up comes by one, and one index
    per row of a batch finds both the token at its position and the uniform number there.

    Args:
        slots: without the spare one.

    Attributes:
        table: (rows, length) int64; the others are views of it.
        positions: (rows,) int64.
        codes: (rows, K) int64; those from its position on mean nothing, but are codes.
    """

    def __init__(self, slots: int, vocabulary: Vocabulary, device: torch.device) -> None:
        self._vocabulary = vocabulary
        self._uniforms = _TOKENS + 1 + vocabulary.codes
        self._length = self._uniforms + vocabulary.codes
        self.table = torch.empty((slots + 1, self._length), dtype=torch.int64, device=device)
        self._flat = self.table.view(-1)
        self._flat_floats = self._flat.view(torch.float64)
        self.positions = self.table[:, _POSITION]
        self.codes = self.table[:, _TOKENS + 1 : self._uniforms]
        self.clear()

    def clear(self) -> None:
        """Make every row one that could be stepped, which the spare row must be at any time."""
        draw = Draw(1.0, 1, 1.0, np.zeros(self._vocabulary.codes))
        self.table.copy_(torch.from_numpy(self.row([self._vocabulary.start_token(None)], draw)))

    def scramble(self, generator: Generator) -> None:
        """Put all rows but the spare one at positions throughout a sample, with codes at random behind them."""
        self.clear()
        rows, total, device = len(self.table) - 1, self._vocabulary.codes, self.table.device
        self.positions[:rows] = torch.arange(rows, device=device) % total
        self.codes[:rows] = torch.randint(self._vocabulary.codebook, (rows, total), generator=generator).to(device)

    def row(self, tokens: Sequence[int], draw: Draw) -> NDArray[np.int64]:
        """A slot's row, (length,), as its bytes go to the device: a start token and the codes that are given."""
        row = np.zeros(self._length, np.int64)
        floats = row.view(np.float64)
        row[_POSITION], row[_TOP_K] = len(tokens) - 1, draw.top_k
        floats[_TEMPERATURE], floats[_TOP_P] = draw.temperature, draw.top_p
        row[_TOKENS : _TOKENS + len(tokens)] = tokens
        floats[self._uniforms :] = draw.uniforms
        return row

    def heads(self, rows: Tensor) -> Heads:
        """What a step looks up of rows (B,)."""
        numbers = self.table[:, :_TOKENS].index_select(0, rows)
        floats = numbers.view(torch.float64)
        return Heads(numbers[:, _POSITION], numbers[:, _TOP_K], floats[:, _TEMPERATURE], floats[:, _TOP_P])

    def places(self, rows: Tensor, positions: Tensor) -> Tensor:
        """(B,): where each row's position is, for the methods below."""
        return torch.add(positions, rows, alpha=self._length)

    def tokens(self, places: Tensor) -> Tensor:
        """(B,): what goes in."""
        return self._flat[_TOKENS:].index_select(0, places)

    def uniforms(self, places: Tensor) -> Tensor:
        """(B,) float64: what decides the code."""
        return self._flat_floats[self._uniforms :].index_select(0, places)

    def put(self, places: Tensor, codes: Tensor) -> None:
        """Keep the code (B,) that was drawn at each place: it goes in at the next."""
        self._flat[_TOKENS + 1 :].index_copy_(0, places, codes)
