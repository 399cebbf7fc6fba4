"""Samples and decodes on a device, in slots."""

from __future__ import annotations

from pathlib import Path

from models.bundle.manifest import Manifest
from models.runtime.protocol import AnytimeModel


def load_model(path: Path, device: str = "cpu", slots: int = 64) -> tuple[Manifest, AnytimeModel]:
    """Verify the bundle at folder `path` and prepare it for sampling.

    Args:
        device: "cpu" or "cuda".
        slots: samples in progress at once.

    Raises:
        BundleError: if the bundle cannot be used.
    """
    from models.bundle.networks import load_networks
    from models.runtime.ordered import OrderedModel

    networks = load_networks(path, device)
    return networks.manifest, OrderedModel(networks.autoencoder, networks.prior, slots)


__all__ = ["AnytimeModel", "load_model"]
