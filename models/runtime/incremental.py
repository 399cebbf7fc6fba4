"""A prior as it is sampled: one position per row, over what earlier positions left behind."""

from __future__ import annotations

from typing import Protocol

from torch import Generator, Tensor

from models.prior import LSTMPrior, PixelCNNPrior, Prior, TransformerPrior
from models.runtime.cached_prior import CachedPrior
from models.runtime.convolved_prior import ConvolvedPrior
from models.runtime.recurrent_prior import RecurrentPrior


class IncrementalPrior(Protocol):
    """Steps a prior, with the same result as its full pass, over a preallocated memory with a row for each slot.

    Attributes:
        sequential: whether each position of a slot needs a step of its own, after that of the position before. A step
            may be repeated until the next has begun. Elsewhere any may be, and one may hold several positions of a
            slot, if those before them are there or in the same step.
        weight_bytes: what a step reads of the matrices.
    """

    sequential: bool

    @property
    def weight_bytes(self) -> int:
        """See the class."""

    def step(self, tokens: Tensor, positions: Tensor, slots: Tensor) -> Tensor:
        """Logits for one more position of each row; what it leaves behind goes into the row's slot.

        Args:
            tokens: (B,) int64, a start token where the position is 0, else the code drawn last.
            positions: (B,) int64, 0..K-1. The slot must hold the positions before; what lies past it is not looked at,
                and at position 0 nothing is.
            slots: (B,) int64; a slot named twice at one position keeps what either row left. What rows give that have
                another token than a start token at position 0 means nothing, but disturbs nobody.

        Returns:
            (B, C).
        """

    def scramble(self, generator: Generator) -> None:
        """Fill the memory with noise, as if every slot were in the middle of a sample."""


def incremental(prior: Prior, slots: int) -> IncrementalPrior:
    """What steps a prior of this kind.

    Args:
        prior: in evaluation mode; its weights must not change any more.
        slots: rows of the memory.
    """
    match prior:
        case TransformerPrior():
            return CachedPrior(prior, slots)
        case LSTMPrior():
            return RecurrentPrior(prior, slots)
        case PixelCNNPrior():
            return ConvolvedPrior(prior, slots)
    raise TypeError(f"there is no way to step a {type(prior).__name__}")
