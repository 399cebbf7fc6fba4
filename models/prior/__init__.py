"""The autoregressive priors over code indices; `build_prior` makes the one that a configuration asks for."""

from __future__ import annotations

from models.prior.base import Prior
from models.prior.build import build_prior
from models.prior.lstm import LSTMPrior
from models.prior.pixelcnn import PixelCNNPrior
from models.prior.transformer import TransformerPrior

__all__ = ["LSTMPrior", "PixelCNNPrior", "Prior", "TransformerPrior", "build_prior"]
