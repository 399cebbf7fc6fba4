"""A bundle of a recipe's shape with random weights: as fast and as large as the trained one, and worth nothing else."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from models.autoencoder import OrderedVQVAE
from models.build import Autoencoder, build_autoencoder
from models.bundle.hierarchical import HierarchicalManifest
from models.bundle.manifest import Manifest
from models.bundle.networks import load_networks
from models.bundle.reader import AnyManifest
from models.bundle.refined import RefinedManifest
from models.bundle.writer import write_bundle, write_hierarchical_bundle, write_refined_bundle
from models.curve import fit_quality_curve
from models.hierarchical.hierarchy import Hierarchy
from models.prior import build_prior
from models.refined.refiner import Refiner
from training.hierarchical.recipe import HierarchicalRecipe
from training.recipe import AnyRecipe, Recipe
from training.refined.base import base_path, read_base
from training.refined.recipe import RefinedRecipe
from training.seeds import derive_seed

VERSION = "untrained"
_PROBES = 64


def write_random_bundle(path: Path, recipe: AnyRecipe, seed: int) -> AnyManifest:
    """Write a bundle of the recipe's networks as they are before training, random from the seed.

    Raises:
        BundleError: if `path` holds something else than a bundle, or cannot be written.
    """
    if isinstance(recipe, HierarchicalRecipe):
        return _write_hierarchy(path, recipe, seed)
    if isinstance(recipe, RefinedRecipe):
        return _write_refined(path, recipe, seed)
    shape = recipe.autoencoder
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(derive_seed(seed, "random bundle"))
        autoencoder = build_autoencoder(shape, recipe.media)
        _spread(autoencoder)
        prior = build_prior(recipe.prior, shape.codes, shape.codebook, len(_labels(recipe)))
    return write_bundle(path, _manifest(recipe, seed), autoencoder, prior)


def _write_hierarchy(path: Path, recipe: HierarchicalRecipe, seed: int) -> HierarchicalManifest:
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(derive_seed(seed, "random bundle"))
        hierarchy = Hierarchy(recipe.hierarchy, len(_labels(recipe)))
        _spread_codebooks(hierarchy)
    manifest = HierarchicalManifest(
        name=recipe.name,
        version=VERSION,
        description=f"UNTRAINED: random weights in the shape of the recipe {recipe.name}, for benchmarks. Its samples "
        "are noise and its quality curve is assumed.",
        media=recipe.media,
        labels=_labels(recipe),
        hierarchy=recipe.hierarchy,
        sampling=recipe.sampling,
        quality_curve=assumed_quality_curve(recipe.hierarchy.total_codes),
        training={"trained": False, "seed": seed},
    )
    return write_hierarchical_bundle(path, manifest, hierarchy)


def _write_refined(path: Path, recipe: RefinedRecipe, seed: int) -> RefinedManifest:
    """The base as it is."""
    read_base(recipe.base)
    base = load_networks(base_path(recipe.base))
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(derive_seed(seed, "random bundle"))
        refiner = Refiner(recipe.refiner, recipe.pixels)
    manifest = RefinedManifest(
        name=recipe.name,
        version=VERSION,
        description=f"UNTRAINED: random weights in the shape of the recipe {recipe.name}, over a model that may be "
        "trained, for benchmarks. Its pixels are noise and its quality curve is assumed.",
        base=base.manifest,
        refiner=recipe.refiner,
        sampling=recipe.sampling,
        quality_curve=assumed_quality_curve(base.manifest.codes + recipe.pixels.places),
        training={"trained": False, "seed": seed},
    )
    return write_refined_bundle(path, manifest, (base.autoencoder, base.prior), refiner)


@torch.no_grad()
def _spread_codebooks(hierarchy: Hierarchy) -> None:
    """Place codebooks on what noise is encoded to: entries that lie anywhere else would all be the same code."""
    for level, above in zip(hierarchy.levels, hierarchy.config.grids[1:], strict=True):
        count = 1 + above.values // above.places
        shape = (count, level.grid.channels, level.grid.height, level.grid.width)
        parts = level.bottleneck.parts(level.encoder(torch.randint(level.grid.values, shape)))
        for quantiser, part in zip(level.bottleneck.quantisers, parts, strict=True):
            quantiser.initialise(part.flatten(0, -2), torch.Generator().manual_seed(0))


@torch.no_grad()
def _spread(autoencoder: Autoencoder) -> None:
    """Make samples differ, and fill the range of the media.

    As initialised, codebook and decoder are so narrow that all samples are the same dark one, which encodes faster than
    a trained model's do.
    """
    nn.init.normal_(autoencoder.quantiser.codebook)
    size, codes = autoencoder.config.codebook, autoencoder.config.codes
    vectors = autoencoder.quantiser.lookup(torch.randint(size, (_PROBES, codes)))  # (B, K, D)
    samples = autoencoder.decode_vectors(vectors, torch.full((_PROBES,), codes))
    low, high = autoencoder.media.range
    weight, bias = _last_layer(autoencoder)
    gain = (high - low) / 4 / samples.std()
    weight.mul_(gain)
    bias.sub_(samples.mean()).mul_(gain).add_((low + high) / 2)


def _last_layer(autoencoder: Autoencoder) -> tuple[Tensor, Tensor]:
    """Weight and bias of what makes the sample, which is linear."""
    if isinstance(autoencoder, OrderedVQVAE):
        *_, weight, bias = autoencoder.decoder.parameters()
        return weight, bias
    return autoencoder.readout, autoencoder.mean


def assumed_quality_curve(codes: int) -> tuple[float, ...]:
    """The quality curve of a model that nobody has measured, K + 1 numbers.

    It supposes an error that falls as err(n) = 1 / (1 + n): the first code halves it, and each further one removes
    less, as with an ordered model. No measurement stands behind it; the bundled Fashion-MNIST model gains more at its
    first code.
    """
    return fit_quality_curve([1 / (1 + n) for n in range(codes + 1)])


def _labels(recipe: Recipe | HierarchicalRecipe) -> tuple[str, ...]:
    """The recipe's labels; one, if it leaves them to the data, since their number hardly matters to the speed."""
    return recipe.labels or ("all",)


def _manifest(recipe: Recipe, seed: int) -> Manifest:
    return Manifest(
        name=recipe.name,
        version=VERSION,
        description=f"UNTRAINED: random weights in the shape of the recipe {recipe.name}, for benchmarks. Its samples "
        "are noise and its quality curve is assumed.",
        media=recipe.media,
        labels=_labels(recipe),
        autoencoder=recipe.autoencoder,
        prior=recipe.prior,
        sampling=recipe.sampling,
        quality_curve=assumed_quality_curve(recipe.autoencoder.codes),
        training={"trained": False, "seed": seed},
    )
