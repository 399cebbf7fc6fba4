"""Samples and decodes on a device, in slots."""

from __future__ import annotations

import logging
from pathlib import Path

from models.bundle.hierarchical import HierarchicalManifest
from models.bundle.manifest import Manifest
from models.bundle.reader import AnyManifest, verify_any_bundle
from models.bundle.refined import RefinedManifest
from models.runtime import choice
from models.runtime.ordered import OrderedModel
from models.runtime.protocol import AnytimeModel
from models.runtime.weights import Parameters

_logger = logging.getLogger(__name__)


def load_model(
    path: Path, device: str = "cpu", slots: int = 64, executor: str = "auto", threads: int | None = None
) -> tuple[AnyManifest, AnytimeModel]:
    """Verify the bundle at folder `path` and prepare it for sampling.

    PyTorch is imported only if it is to compute: that alone takes longer than all the rest.

    Args:
        device: "cpu", "cuda" or "cuda:INDEX".
        slots: samples in progress at once.
        executor: see `choice.choose`, which also looks at what the bundle says of eight bits; of ordered models, and of
            those in refined ones.
        threads: of this process for PyTorch, which the first model decides; as they are if None.

    Raises:
        BundleError: if the bundle cannot be used.
        DeviceError: if the executor cannot be had here.
    """
    manifest = verify_any_bundle(path)
    if isinstance(manifest, HierarchicalManifest):
        return manifest, _hierarchical(path, manifest, device, slots, executor, threads)
    if isinstance(manifest, RefinedManifest):
        return manifest, _refined(path, manifest, device, slots, executor, threads)
    return manifest, _ordered(path, manifest, device, slots, executor, threads)


def _ordered(
    path: Path, manifest: Manifest, device: str, slots: int, executor: str, threads: int | None
) -> OrderedModel:
    name = choice.choose(manifest.prior.kind, device, executor, manifest.eight_bit)
    if name in choice.BY_TORCH:
        model = _by_torch(path, manifest, device, slots, executor, threads)
    else:
        model = choice.build_without_torch(name, Parameters.of_bundle(path, manifest), slots)
    _logger.info("%s: executor %s", manifest.name, model.executor.name)
    return model


def _by_torch(
    path: Path, manifest: Manifest, device: str, slots: int, executor: str, threads: int | None
) -> OrderedModel:
    from models.bundle.networks import build_networks
    from models.runtime.executors import build_model

    _prepare(threads)
    networks = build_networks(path, manifest, device)
    return build_model(networks.autoencoder, networks.prior, slots, executor, manifest.eight_bit)


def _hierarchical(
    path: Path, manifest: HierarchicalManifest, device: str, slots: int, executor: str, threads: int | None
) -> AnytimeModel:
    """In full precision whatever is wanted, which is for ordered models beside it; natively, unless told not to."""
    from models.bundle.networks import build_hierarchy
    from models.hierarchical.anytime import HierarchicalModel

    _prepare(threads)
    hierarchy = build_hierarchy(path, manifest, device).hierarchy
    model = HierarchicalModel(hierarchy, slots, native=executor != choice.REFERENCE)
    if executor in {choice.AUTO, choice.FULL, model.executor}:
        _logger.info("%s: executor %s", manifest.name, model.executor)
    else:
        _logger.warning("%s: executor %s, not %s: hierarchies have no such", manifest.name, model.executor, executor)
    return model


def _refined(
    path: Path, manifest: RefinedManifest, device: str, slots: int, executor: str, threads: int | None
) -> AnytimeModel:
    """Codes by the executor that an ordered model would have; pixels like those of hierarchies."""
    from models.bundle.networks import build_refiner
    from models.refined.anytime import RefinedModel

    _prepare(threads)
    base = _ordered(path, manifest.base, device, slots, executor, threads)
    model = RefinedModel(base, build_refiner(path, manifest, device), native=executor != choice.REFERENCE)
    _logger.info("%s: executor %s", manifest.name, model.executor)
    return model


def _prepare(threads: int | None) -> None:
    from models.runtime.determinism import prepare

    if threads is not None:
        prepare(threads)


__all__ = ["AnytimeModel", "load_model"]
