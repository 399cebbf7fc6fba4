"""Small refined models with random weights."""

from __future__ import annotations

from pathlib import Path

import torch
from factories import tiny_manifest, tiny_networks
from hierarchies import NET, spread

from models.bundle.refined import RefinedManifest
from models.bundle.writer import write_refined_bundle
from models.config import Media
from models.curve import fit_quality_curve
from models.hierarchical.config import GatedPixelCNNConfig
from models.refined.anytime import RefinedModel
from models.refined.config import RefinerConfig
from models.refined.refiner import Refiner
from models.runtime.executors import build_model

CONFIG = RefinerConfig(bits=3, modulator=NET, local=GatedPixelCNNConfig(layers=2, hidden=9), relative_temperature=1.5)


def random_refiner(media: Media, config: RefinerConfig = CONFIG) -> Refiner:
    """In evaluation mode; its logits differ enough for samples to."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        refiner = Refiner(config, config.pixels(media))
        spread(refiner.local)
    return refiner.eval().requires_grad_(False)


def random_refined(
    slots: int, *, native: bool = True, shape: tuple[int, int, int] = (1, 8, 8), codes: int = 6, device: str = "cpu"
) -> RefinedModel:
    """Ordered codes, then the pixels of such pictures."""
    manifest, autoencoder, prior = tiny_networks(tiny_manifest(shape=shape, codes=codes))
    base = build_model(autoencoder.to(device), prior.to(device), slots, "native" if native else "reference")
    return RefinedModel(base, random_refiner(manifest.media).to(device), native=native)


def write_refined(folder: Path, name: str = "refined") -> Path:
    """Write a bundle with random weights, 6 codes and then 8 x 8 pixels, into `folder / name`."""
    networks = tiny_networks()
    total = networks.manifest.codes + 64
    manifest = RefinedManifest(
        name=name,
        base=networks.manifest,
        refiner=CONFIG,
        quality_curve=fit_quality_curve([0.5**n for n in range(total + 1)]),
    )
    write_refined_bundle(
        folder / name, manifest, (networks.autoencoder, networks.prior), random_refiner(manifest.media)
    )
    return folder / name
