"""What every prior is, whatever computes it."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from models.config import PriorConfig
from models.vocabulary import Vocabulary


class Prior(nn.Module, ABC):
    """p(z_i | z_<i, label), with a null label for the unconditional model (anytime paper, section 3.2).

    Attributes:
        config: of this kind of prior.
        codes: K.
        codebook: C.
        null_label: the number of labels, itself a label.
        head: the last layer, whose outputs are logits.
    """

    config: PriorConfig
    head: nn.Linear

    def __init__(self, codes: int, codebook: int, labels: int) -> None:
        super().__init__()
        self.codes = codes
        self.codebook = codebook
        self.null_label = labels

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return self.head.weight.device

    @property
    def vocabulary(self) -> Vocabulary:
        """Its tokens."""
        return Vocabulary(self.codes, self.codebook, self.null_label)

    def tokens(self, codes: Tensor, labels: Tensor) -> Tensor:
        """What goes in at each position: (B, K) int64, from codes (B, K) and labels (B,)."""
        return torch.cat([self.codebook + labels[:, None], codes[:, :-1]], dim=1)

    @abstractmethod
    def forward(self, codes: Tensor, labels: Tensor) -> Tensor:
        """Teacher-forced logits.

        Args:
            codes: (B, K) int64.
            labels: (B,) int64, `null_label` for none.

        Returns:
            (B, K, C): row i predicts code i from the codes before it.
        """
