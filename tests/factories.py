"""Small real models and bundles with random weights, for tests that need the machinery rather than the pictures."""

from __future__ import annotations

from pathlib import Path

import torch

from models.build import build_autoencoder
from models.bundle.manifest import Manifest
from models.bundle.networks import Networks
from models.bundle.writer import write_bundle
from models.config import (
    AnyAutoencoderConfig,
    AutoencoderConfig,
    LSTMConfig,
    Media,
    PixelCNNConfig,
    PriorConfig,
    ResidualConfig,
    TransformerConfig,
)
from models.curve import fit_quality_curve
from models.prior import build_prior

LABELS = ("circle", "square", "star")
TRANSFORMER = TransformerConfig(layers=2, width=16, feed_forward=32, heads=2)
# One of each kind; the widths of the others fill no vector register.
PRIORS: dict[str, PriorConfig] = {
    "transformer": TRANSFORMER,
    "lstm": LSTMConfig(layers=2, width=10),
    "pixelcnn": PixelCNNConfig(layers=2, width=12),
}
CONVOLUTIONAL = AutoencoderConfig(codes=6, codebook=8, filters=(4, 3), strides=(2, 1), widths=(8,))
RESIDUAL = ResidualConfig(kind="residual", codes=6, codebook=8, depth=5, width=12, hidden=16)
_HEADS = {"transformer": 0.3, "lstm": 3.0, "pixelcnn": 3.0}  # spread of the head's weights, for codes that differ


def tiny_manifest(
    name: str = "tiny",
    codes: int = 6,
    shape: tuple[int, int, int] = (1, 8, 8),
    prior: PriorConfig = TRANSFORMER,
    autoencoder: AnyAutoencoderConfig = CONVOLUTIONAL,
) -> Manifest:
    """A manifest of a model with 6 codes out of 8, on 8x8 pictures of three classes."""
    return Manifest(
        name=name,
        description="Random weights, for tests.",
        media=Media(type="image", shape=shape),
        labels=LABELS,
        autoencoder=autoencoder.model_copy(update={"codes": codes}),
        prior=prior,
        quality_curve=fit_quality_curve([0.5**n for n in range(codes + 1)]),
    )


def tiny_audio_manifest(name: str = "clips", codes: int = 6) -> Manifest:
    """The same over clips of a fifth of a second, 1600 samples of one channel."""
    media = Media(type="audio", shape=(1, 1600), sample_rate=8000)
    autoencoder = AutoencoderConfig(codes=codes, codebook=8, filters=(9, 4), strides=(5, 4), widths=(8,))
    values = {**tiny_manifest(name, codes).model_dump(), "media": media, "autoencoder": autoencoder}
    return Manifest.model_validate(values)


def tiny_networks(manifest: Manifest | None = None, seed: int = 0) -> Networks:
    """Networks of the tiny manifest, random from the seed, in evaluation mode."""
    manifest = manifest or tiny_manifest()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        autoencoder = build_autoencoder(manifest.autoencoder, manifest.media)
        torch.nn.init.normal_(autoencoder.quantiser.codebook)
        prior = build_prior(manifest.prior, manifest.codes, manifest.autoencoder.codebook, len(manifest.labels))
        torch.nn.init.normal_(prior.head.weight, std=_HEADS[manifest.prior.kind])
    for module in (autoencoder, prior):
        module.eval().requires_grad_(False)
    return Networks(manifest, autoencoder, prior)


def write_tiny_bundle(folder: Path, name: str = "tiny", seed: int = 0) -> Path:
    """Write the tiny model as a bundle into `folder / name`."""
    networks = tiny_networks(tiny_manifest(name), seed)
    write_bundle(folder / name, networks.manifest, networks.autoencoder, networks.prior, {"report.json": b"{}"})
    return folder / name
