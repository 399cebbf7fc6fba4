"""What a device keeps of each slot, in one row of a table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from models.runtime.executor import Draw
from models.vocabulary import Vocabulary

# Columns before those of which there are several.
_POSITION, _TOP_K, _TOKENS = range(3)


class Records:
    """A row of 8-byte numbers for each slot, and a last, spare one for padding to point at.

    It holds the position, top_k, the tokens (the start token, then the codes), temperature, top_p and the uniform
    number of each code. All in one table, so that a slot is filled by one copy, and one index per row of a batch finds
    both the token at its position and the uniform number there.

    Args:
        slots: without the spare one.

    Attributes:
        table: (rows, length) int64; the others are views of it.
        positions: (rows,) int64.
        codes: (rows, K) int64; those from its position on mean nothing, but are codes.
        temperature, top_k, top_p: (rows,), float64, int64, float64.
    """

    def __init__(self, slots: int, vocabulary: Vocabulary, device: torch.device) -> None:
        self._vocabulary = vocabulary
        self._temperature = _TOKENS + 1 + vocabulary.codes
        self._uniforms = self._temperature + 2
        self._length = self._uniforms + vocabulary.codes
        self.table = torch.empty((slots + 1, self._length), dtype=torch.int64, device=device)
        self.clear()
        self._flat = self.table.view(-1)
        floats = self.table.view(torch.float64)
        self._flat_floats = floats.view(-1)
        self.positions = self.table[:, _POSITION]
        self.top_k = self.table[:, _TOP_K]
        self.codes = self.table[:, _TOKENS + 1 : self._temperature]  # (rows, K)
        self.temperature = floats[:, self._temperature]
        self.top_p = floats[:, self._temperature + 1]

    def clear(self) -> None:
        """Make every row one that could be stepped, which the spare row must be at any time."""
        draw = Draw(1.0, 1, 1.0, np.zeros(self._vocabulary.codes))
        self.table.copy_(torch.from_numpy(self.row([self._vocabulary.start_token(None)], draw)))

    def scramble(self, generator: Generator) -> None:
        """Put all rows but the spare one at positions throughout a sample, with codes at random behind them."""
        self.clear()
        rows = len(self.table) - 1
        self.positions[:rows] = torch.arange(rows, device=self.table.device) % self._vocabulary.codes
        self.codes[:rows] = torch.randint(
            self._vocabulary.codebook, (rows, self._vocabulary.codes), generator=generator
        ).to(self.table.device)

    def row(self, tokens: Sequence[int], draw: Draw) -> NDArray[np.int64]:
        """A slot's row, (length,), as its bytes go to the device: a start token and the codes that are given."""
        row = np.zeros(self._length, np.int64)
        row[_POSITION], row[_TOP_K] = len(tokens) - 1, draw.top_k
        row[_TOKENS : _TOKENS + len(tokens)] = tokens
        row[self._temperature :].view(np.float64)[:] = (draw.temperature, draw.top_p, *draw.uniforms)
        return row

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
