"""How the codebook learns: by the gradient of Eq. (5), or as a moving average of what chose its entries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from models.estimators import Estimator, rotated, straight_through
from training.options import CodebookRecipe
from training.processes import ALONE, Processes
from training.seeds import derive_seed

_NOTHING = 1e-5


def estimator_of(recipe: CodebookRecipe) -> Estimator:
    """How the gradient passes the quantiser."""
    return rotated if recipe.estimator == "rotation" else straight_through


class MovingCodebook(nn.Module):
    """Moves the entries of a codebook to the mean of the vectors that chose them lately.

    Args:
        codebook: (C, D), changed in place.
        recipe: decay and when to revive.
        processes: whose vectors count.
    """

    counts: Tensor
    sums: Tensor

    def __init__(self, codebook: Tensor, recipe: CodebookRecipe, processes: Processes = ALONE) -> None:
        super().__init__()
        self._codebook = codebook
        self._recipe = recipe
        self._processes = processes
        self._observed: list[tuple[Tensor, Tensor]] = []
        self.register_buffer("counts", torch.zeros(len(codebook), device=codebook.device))
        self.register_buffer("sums", torch.zeros_like(codebook))

    def observe(self, vectors: Tensor, indices: Tensor) -> None:
        """Take in the vectors of a batch, or of part of one.

        Args:
            vectors: (N, D), of the codes that count.
            indices: (N,) int64, the entries that they chose.
        """
        self._observed.append((vectors.detach(), indices))

    @torch.no_grad()
    def learn(self, seed: int) -> None:
        """Learn from the batch that was observed, at least one vector, in all processes together.

        Args:
            seed: of the vectors that revived entries move onto.
        """
        vectors, indices = (torch.cat(parts) for parts in zip(*self._observed, strict=True))
        self._observed.clear()
        chosen = torch.zeros_like(self.counts).index_add_(0, indices, torch.ones_like(vectors[:, 0]))
        sums = torch.zeros_like(self.sums).index_add_(0, indices, vectors)
        self.counts.lerp_(self._processes.sum(chosen), 1 - self._recipe.decay)
        self.sums.lerp_(self._processes.sum(sums), 1 - self._recipe.decay)
        known = self.counts > _NOTHING
        self._codebook[known] = self.sums[known] / self.counts[known, None]
        self._revive(vectors, seed)

    def _revive(self, vectors: Tensor, seed: int) -> None:
        equal = self.counts.sum() / len(self.counts)
        idle = (self.counts < self._recipe.revive * equal).nonzero().flatten()
        if len(idle):
            self._codebook[idle] = self._drawn(vectors, len(idle), seed)
            # As if it had been chosen as often as others, so that it is given time.
            self.counts[idle] = equal
            self.sums[idle] = equal * self._codebook[idle]

    def _drawn(self, vectors: Tensor, count: int, seed: int) -> Tensor:
        """Vectors drawn among those of all processes, which are numbered through, (count, D)."""
        sizes = torch.zeros(self._processes.count, dtype=torch.int64)
        sizes[self._processes.index] = len(vectors)
        sizes = self._processes.sum(sizes)
        rows = torch.randint(int(sizes.sum()), (count,), generator=torch.Generator().manual_seed(seed))
        rows = (rows - sizes[: self._processes.index].sum()).to(vectors.device)
        mine = (rows >= 0) & (rows < len(vectors))
        found = vectors.new_zeros(count, vectors.shape[1])
        found[mine] = vectors[rows[mine]]
        return self._processes.sum(found)


class MovingCodebooks(nn.Module):
    """Several of them, of the channels of one bottleneck.

    Args:
        codebooks: (C, D) each, changed in place.
        recipe, processes: of all, as of `MovingCodebook`.
    """

    def __init__(self, codebooks: Sequence[Tensor], recipe: CodebookRecipe, processes: Processes = ALONE) -> None:
        super().__init__()
        self._each = nn.ModuleList(MovingCodebook(codebook, recipe, processes) for codebook in codebooks)

    def observe(self, channels: Sequence[tuple[Tensor, Tensor]]) -> None:
        """Take in what each codebook's `observe` does."""
        for codebook, (vectors, indices) in zip(self._codebooks, channels, strict=True):
            codebook.observe(vectors, indices)

    def learn(self, seed: int) -> None:
        """Learn from the batch that was observed; revived entries of each codebook move onto vectors of their own."""
        for index, codebook in enumerate(self._codebooks):
            codebook.learn(derive_seed(seed, "codebook", index))

    @property
    def _codebooks(self) -> list[MovingCodebook]:
        return cast("list[MovingCodebook]", list(self._each))
