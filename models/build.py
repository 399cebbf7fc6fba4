"""Autoencoders of every kind, from their configuration."""

from __future__ import annotations

from models.autoencoder import OrderedVQVAE
from models.config import AnyAutoencoderConfig, Media, ResidualConfig
from models.residual import ResidualAutoencoder

# Alike in how they encode and decode; how each is trained differs.
Autoencoder = OrderedVQVAE | ResidualAutoencoder


def build_autoencoder(config: AnyAutoencoderConfig, media: Media) -> Autoencoder:
    """An untrained autoencoder."""
    if isinstance(config, ResidualConfig):
        return ResidualAutoencoder(config, media)
    return OrderedVQVAE(config, media)
