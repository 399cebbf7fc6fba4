"""Channel-wise vector quantisation (anytime paper, sections 4.1 and 4.3)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn


class Quantised(NamedTuple):
    """Nearest codebook entries.

    Attributes:
        indices: (B, K) int64.
        vectors: (B, K, D), the entries themselves; gradients flow into the codebook.
    """

    indices: Tensor
    vectors: Tensor


class Quantiser(nn.Module):
    """One codebook E of C vectors in R^D, shared by all K codes."""

    def __init__(self, codebook: int, code_dim: int) -> None:
        super().__init__()
        self.codebook = nn.Parameter(torch.empty(codebook, code_dim))
        nn.init.uniform_(self.codebook, -1 / codebook, 1 / codebook)

    def forward(self, z: Tensor) -> Quantised:
        """q(z)_j = argmin_i ||e_i - z_j||, for z of shape (B, K, D)."""
        indices = self.nearest(z.detach())
        return Quantised(indices, self.lookup(indices))

    def nearest(self, z: Tensor) -> Tensor:
        """Indices of the nearest entries: (..., D) -> (...) int64."""
        entries = self.codebook.detach()
        # ||z||^2 is the same for every entry, so the comparison does without it.
        # Not under autocast: entries can lie closer together than bfloat16 resolves.
        with torch.autocast(z.device.type, enabled=False):
            distances = entries.square().sum(1) - 2 * z @ entries.T
        return distances.argmin(-1)

    def lookup(self, indices: Tensor) -> Tensor:
        """Codebook entries: (...) int64 -> (..., D)."""
        return nn.functional.embedding(indices, self.codebook)

    @torch.no_grad()
    def initialise(self, z: Tensor, generator: torch.Generator, rounds: int = 10) -> None:
        """Place the codebook by k-means on encoder outputs, so that every entry starts in use.

        Args:
            z: (N, D) with N >= C.
            generator: picks the first centres.
            rounds: Lloyd iterations; an entry that loses all its vectors moves to a random one.

        Raises:
            ValueError: if there are fewer vectors than entries.
        """
        size = self.codebook.shape[0]
        if len(z) < size:
            raise ValueError(f"k-means of {size} entries needs at least as many vectors, got {len(z)}")
        self.codebook.copy_(z[torch.randperm(len(z), generator=generator)[:size]])
        for _ in range(rounds):
            owner = self.nearest(z)
            counts = torch.bincount(owner, minlength=size)
            sums = torch.zeros_like(self.codebook).index_add_(0, owner, z)
            strays = z[torch.randint(len(z), (size,), generator=generator)]
            self.codebook.copy_(torch.where(counts[:, None] > 0, sums / counts.clamp(min=1)[:, None], strays))
