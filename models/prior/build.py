"""From a prior's configuration to its network."""

from __future__ import annotations

from models.config import LSTMConfig, PixelCNNConfig, PriorConfig, TransformerConfig
from models.prior.base import Prior
from models.prior.lstm import LSTMPrior
from models.prior.pixelcnn import PixelCNNPrior
from models.prior.transformer import TransformerPrior


def build_prior(config: PriorConfig, codes: int, codebook: int, labels: int) -> Prior:
    """An untrained prior of the kind that is asked for.

    Args:
        codes: K.
        codebook: C.
        labels: how many there are, the null label not counted.
    """
    match config:
        case TransformerConfig():
            return TransformerPrior(config, codes, codebook, labels)
        case LSTMConfig():
            return LSTMPrior(config, codes, codebook, labels)
        case PixelCNNConfig():
            return PixelCNNPrior(config, codes, codebook, labels)
