"""How many codes an example keeps while they are being ordered: the distribution behind Eq. (6)."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor

from models.config import Frozen


class Truncation(Frozen):
    """A distribution over truncation indices.

    Attributes:
        law: `uniform` is the paper's. `geometric` prefers short ones: each index is 1 - rate times as probable as the
            one before it (appendix C.3). `mixed` is a third each of uniform, of the powers of two, and of all K codes,
            so that neither the first codes nor the complete picture are neglected.
        rate: of the geometric law; the paper has tried 0.03 and 0.1.
        shortest: the fewest codes that are kept. The authors' own code has 10 for MNIST.
    """

    law: Literal["uniform", "geometric", "mixed"] = "uniform"
    rate: Annotated[float, Field(gt=0, lt=1)] | None = None
    shortest: PositiveInt = 1

    @model_validator(mode="after")
    def _rate_is_for_geometric(self) -> Truncation:
        if (self.law == "geometric") != (self.rate is not None):
            raise ValueError("rate is for the geometric law, which needs it")
        return self

    def shares(self, codes: int) -> Tensor:
        """The probability of each index 1 .. K, (K,) float64; at least the full length is always among them."""
        lengths = torch.arange(1, codes + 1)
        possible = (lengths >= min(self.shortest, codes)).double()
        match self.law:
            case "uniform":
                return _normalised(possible)
            case "geometric":
                return _normalised(possible * (1 - (self.rate or 0.0)) ** lengths.double())
            case "mixed":
                powers = possible * (lengths & (lengths - 1) == 0)
                powers[-1] = 1
                return (_normalised(possible) + _normalised(powers) + (lengths == codes)) / 3


def _normalised(shares: Tensor) -> Tensor:
    return shares / shares.sum()
