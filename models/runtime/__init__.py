"""Samples and decodes on a device, in slots."""

from __future__ import annotations

import logging
from pathlib import Path

from models.bundle.manifest import Manifest
from models.runtime.protocol import AnytimeModel

_logger = logging.getLogger(__name__)


def load_model(
    path: Path, device: str = "cpu", slots: int = 64, executor: str = "auto"
) -> tuple[Manifest, AnytimeModel]:
    """Verify the bundle at folder `path` and prepare it for sampling.

    Args:
        device: "cpu" or "cuda".
        slots: samples in progress at once.
        executor: see `executors.choose`, which also looks at what the bundle says of eight bits.

    Raises:
        BundleError: if the bundle cannot be used.
        DeviceError: if the executor cannot be had here.
    """
    from models.bundle.networks import load_networks
    from models.runtime.executors import build_model

    networks = load_networks(path, device)
    manifest = networks.manifest
    model = build_model(networks.autoencoder, networks.prior, slots, executor, manifest.eight_bit)
    _logger.info("%s: executor %s", manifest.name, model.executor.name)
    return manifest, model


__all__ = ["AnytimeModel", "load_model"]
