"""Samples and decodes on a device, in slots."""

from __future__ import annotations

from pathlib import Path

from models.bundle.manifest import Manifest
from models.runtime.protocol import AnytimeModel


def load_model(
    path: Path, device: str = "cpu", slots: int = 64, executor: str = "auto"
) -> tuple[Manifest, AnytimeModel]:
    """Verify the bundle at folder `path` and prepare it for sampling.

    Args:
        device: "cpu" or "cuda".
        slots: samples in progress at once.
        executor: see `executors.choose`.

    Raises:
        BundleError: if the bundle cannot be used.
        DeviceError: if the executor cannot be had here.
    """
    from models.bundle.networks import load_networks
    from models.runtime.executors import build_model

    networks = load_networks(path, device)
    return networks.manifest, build_model(networks.autoencoder, networks.prior, slots, executor)


__all__ = ["AnytimeModel", "load_model"]
