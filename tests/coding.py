"""Bundles with random weights whose codes differ from sample to sample, and random samples for them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from factories import CONVOLUTIONAL, RESIDUAL, tiny_audio_manifest, tiny_manifest, tiny_networks

from models.autoencoder import OrderedVQVAE
from models.bundle.manifest import Manifest
from models.bundle.writer import write_bundle
from training.data.dataset import Split

SAMPLES = 12
CPU = torch.device("cpu")
_SPATIAL = CONVOLUTIONAL.model_copy(update={"quantisation": "spatial", "depth": 3, "codes": 16})
_ODD = CONVOLUTIONAL.model_copy(update={"filters": (5, 7, 3), "strides": (2, 2, 1), "widths": (8, 8)})
# One of each kind of autoencoder, and of media.
MANIFESTS = {
    "channels": tiny_manifest("channels"),
    "learned": tiny_manifest("learned", autoencoder=CONVOLUTIONAL.model_copy(update={"missing": "learned"})),
    "colour": tiny_manifest("colour", shape=(3, 8, 8)),
    "spatial": tiny_manifest("spatial", codes=16, autoencoder=_SPATIAL),
    "residual": tiny_manifest("residual", autoencoder=RESIDUAL),
    "clips": tiny_audio_manifest("clips"),
    "upsampled": Manifest.model_validate(
        {
            **tiny_audio_manifest("upsampled").model_dump(),
            "autoencoder": {**tiny_audio_manifest().autoencoder.model_dump(), "decoder": "upsample"},
        }
    ),
    "odd": tiny_manifest("odd", autoencoder=_ODD),
}


def random_split(manifest: Manifest) -> Split:
    """Samples of large patches, as they are stored: noise is all alike to a convolution."""
    image = manifest.media.type == "image"
    low, high, dtype, patch = (0, 256, np.uint8, 4) if image else (-(2**15), 2**15, np.int16, 200)
    channels, *sizes = manifest.media.shape
    patches = np.random.default_rng(3).integers(low, high, (SAMPLES, channels, *(size // patch for size in sizes)))
    for axis in range(2, patches.ndim):
        patches = patches.repeat(patch, axis)
    return Split(torch.from_numpy(patches.astype(dtype)), torch.zeros(SAMPLES, dtype=torch.int64))


def write_coding_bundle(folder: Path, kind: str) -> Manifest:
    """Write a bundle of a kind into `folder / kind`; a codebook lies where its encoder's outputs are."""
    networks = tiny_networks(MANIFESTS[kind])
    x, generator = random_split(networks.manifest).batch(slice(None), CPU), torch.Generator().manual_seed(0)
    if isinstance(networks.autoencoder, OrderedVQVAE):
        networks.autoencoder.initialise_codebook(x, generator)
    else:
        networks.autoencoder.initialise(x, generator)
    return write_bundle(folder / kind, networks.manifest, networks.autoencoder, networks.prior)
