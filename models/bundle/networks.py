"""Load a bundle's networks."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from models.build import Autoencoder, build_autoencoder
from models.bundle.hierarchical import HierarchicalManifest, level_file
from models.bundle.manifest import AUTOENCODER, PRIOR, Manifest
from models.bundle.reader import verify_any_bundle, verify_bundle
from models.bundle.refined import REFINER, RefinedManifest
from models.errors import BundleError
from models.hierarchical.hierarchy import Hierarchy
from models.prior import Prior, build_prior
from models.refined.refiner import Refiner


class Networks(NamedTuple):
    """A verified bundle's networks, float32, in evaluation mode, without gradients."""

    manifest: Manifest
    autoencoder: Autoencoder
    prior: Prior


def load_networks(path: Path, device: str = "cpu") -> Networks:
    """Verify the bundle at folder `path` and load its networks.

    Raises:
        BundleError: if anything is missing, changed, or of another shape than the manifest says.
    """
    return build_networks(path, verify_bundle(path), device)


def build_networks(path: Path, manifest: Manifest, device: str) -> Networks:
    """The networks of a bundle that was verified.

    Raises:
        BundleError: if a tensor is missing, or of another shape than the manifest says.
    """
    autoencoder = build_autoencoder(manifest.autoencoder, manifest.media)
    prior = build_prior(manifest.prior, manifest.codes, manifest.autoencoder.codebook, labels=len(manifest.labels))
    _fill(autoencoder, path / AUTOENCODER)
    _fill(prior, path / PRIOR)
    return Networks(manifest, autoencoder.to(device), prior.to(device))


class LoadedHierarchy(NamedTuple):
    """A verified bundle's hierarchy, float32, in evaluation mode, without gradients and without teachers."""

    manifest: HierarchicalManifest
    hierarchy: Hierarchy


def load_hierarchy(path: Path, device: str = "cpu") -> LoadedHierarchy:
    """Verify the bundle of a hierarchical model at folder `path` and load its networks.

    Raises:
        BundleError: like `load_networks`, or if the model is of another kind.
    """
    manifest = verify_any_bundle(path)
    if not isinstance(manifest, HierarchicalManifest):
        raise BundleError(path, f"kind: is {manifest.kind}, where a hierarchical model is needed")
    return build_hierarchy(path, manifest, device)


def build_hierarchy(path: Path, manifest: HierarchicalManifest, device: str) -> LoadedHierarchy:
    """The hierarchy of a bundle that was verified. Raises BundleError like `build_networks`."""
    hierarchy = Hierarchy(manifest.hierarchy, len(manifest.labels))
    for number, level in enumerate(hierarchy.levels, 1):
        level.teacher = None
        _fill(level, path / level_file(number))
    _fill(hierarchy.prior, path / PRIOR)
    return LoadedHierarchy(manifest, hierarchy.eval().to(device))


class LoadedRefined(NamedTuple):
    """A verified bundle's ordered model and refiner, float32, in evaluation mode, without gradients."""

    manifest: RefinedManifest
    base: Networks
    refiner: Refiner


def build_refiner(path: Path, manifest: RefinedManifest, device: str) -> Refiner:
    """The refiner of a bundle that was verified. Raises BundleError like `build_networks`."""
    refiner = Refiner(manifest.refiner, manifest.pixels)
    _fill(refiner, path / REFINER)
    return refiner.to(device)


def load_any(path: Path) -> Networks | LoadedHierarchy | LoadedRefined:
    """Verify the bundle of any kind of model at folder `path` and load its networks. Raises like `load_networks`."""
    manifest = verify_any_bundle(path)
    if isinstance(manifest, Manifest):
        return build_networks(path, manifest, "cpu")
    if isinstance(manifest, HierarchicalManifest):
        return build_hierarchy(path, manifest, "cpu")
    base, refiner = build_networks(path, manifest.base, "cpu"), build_refiner(path, manifest, "cpu")
    return LoadedRefined(manifest, base, refiner)


def _fill(module: nn.Module, file: Path) -> None:
    try:
        stored = load_file(file)
    except SafetensorError as error:
        raise BundleError(file, f"is not a safetensors file: {error}") from error
    expected = module.state_dict()
    for name in sorted(expected.keys() ^ stored.keys()):
        raise BundleError(file, f"{'lacks' if name in expected else 'has an unexpected'} tensor {name}")
    for name, tensor in expected.items():
        if stored[name].shape != tensor.shape:
            raise BundleError(
                file,
                f"tensor {name} has shape {list(stored[name].shape)} where the manifest calls for {list(tensor.shape)}",
            )
    module.load_state_dict({name: tensor.float() for name, tensor in stored.items()})
    module.eval().requires_grad_(False)
