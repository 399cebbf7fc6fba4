"""The tokens of a prior; imports no torch."""

from __future__ import annotations

from typing import NamedTuple


class Vocabulary(NamedTuple):
    """What there is to know of a prior's codes and labels without computing anything.

    The token that goes in at position 0 is a start token, which stands for the label; at position i > 0 it is code
    i - 1. Tokens are numbered through: the C codes, one start token per label, the null label's.

    Attributes:
        codes: K.
        codebook: C.
        null_label: the number of labels, itself a label.
    """

    codes: int
    codebook: int
    null_label: int

    @property
    def size(self) -> int:
        """How many tokens there are."""
        return self.codebook + self.null_label + 1

    def start_token(self, label: int | None) -> int:
        """Input at position 0 for a label, or for none."""
        return self.codebook + (self.null_label if label is None else label)
