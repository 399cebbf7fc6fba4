"""A recurrent prior (anytime paper, appendix C.2; Hochreiter and Schmidhuber, 1997)."""

from __future__ import annotations

from torch import Tensor, nn

from models.config import LSTMConfig
from models.prior.base import Prior


class LSTMPrior(Prior):
    """Reads tokens one after the other; the label is in the first, and all else in what the layers remember.

    The paper gives no sizes. Dropout falls on what goes into each layer and into the head, never on what a layer hands
    to its next position.
    """

    config: LSTMConfig

    def __init__(self, config: LSTMConfig, codes: int, codebook: int, labels: int) -> None:
        super().__init__(codes, codebook, labels)
        self.config = config
        self.embedding = nn.Embedding(codebook + labels + 1, config.width)
        self.dropout = nn.Dropout(config.dropout)
        between = config.dropout if config.layers > 1 else 0.0  # PyTorch warns of dropout between layers of one
        self.lstm = nn.LSTM(config.width, config.width, config.layers, batch_first=True, dropout=between)
        self.head = nn.Linear(config.width, codebook)

    def forward(self, codes: Tensor, labels: Tensor) -> Tensor:
        """See `Prior.forward`."""
        remembered, _ = self.lstm(self.dropout(self.embedding(self.tokens(codes, labels))))
        logits: Tensor = self.head(self.dropout(remembered))
        return logits
