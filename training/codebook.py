"""How the codebook learns: by the gradient of Eq. (5), or as a moving average of what chose its entries."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.estimators import Estimator, rotated, straight_through
from training.options import CodebookRecipe

_NOTHING = 1e-5


def estimator_of(recipe: CodebookRecipe) -> Estimator:
    """How the gradient passes the quantiser."""
    return rotated if recipe.estimator == "rotation" else straight_through


class MovingCodebook(nn.Module):
    """Moves the entries of a codebook to the mean of the vectors that chose them lately.

    Args:
        codebook: (C, D), changed in place.
        recipe: decay and when to revive.
    """

    counts: Tensor
    sums: Tensor

    def __init__(self, codebook: Tensor, recipe: CodebookRecipe) -> None:
        super().__init__()
        self._codebook = codebook
        self._recipe = recipe
        self.register_buffer("counts", torch.zeros(len(codebook), device=codebook.device))
        self.register_buffer("sums", torch.zeros_like(codebook))

    @torch.no_grad()
    def update(self, vectors: Tensor, indices: Tensor, seed: int) -> None:
        """Learn from the vectors of a batch.

        Args:
            vectors: (N, D), N at least 1, of the codes that count.
            indices: (N,) int64, the entries that they chose.
            seed: of the vectors that revived entries move onto.
        """
        chosen = torch.zeros_like(self.counts).index_add_(0, indices, torch.ones_like(vectors[:, 0]))
        self.counts.lerp_(chosen, 1 - self._recipe.decay)
        self.sums.lerp_(torch.zeros_like(self.sums).index_add_(0, indices, vectors), 1 - self._recipe.decay)
        known = self.counts > _NOTHING
        self._codebook[known] = self.sums[known] / self.counts[known, None]
        self._revive(vectors, seed)

    def _revive(self, vectors: Tensor, seed: int) -> None:
        equal = self.counts.sum() / len(self.counts)
        idle = (self.counts < self._recipe.revive * equal).nonzero().flatten()
        if len(idle):
            drawn = torch.randint(len(vectors), (len(idle),), generator=torch.Generator().manual_seed(seed))
            self._codebook[idle] = vectors[drawn.to(vectors.device)]
            # As if it had been chosen as often as others, so that it is given time.
            self.counts[idle] = equal
            self.sums[idle] = equal * self._codebook[idle]
