"""The stage that encodes and decodes all images with the base: what its pictures of all codes look like."""

from __future__ import annotations

from torch import Tensor

from training.checkpoint import save_checkpoint
from training.evaluation.reconstruction import reconstruct
from training.refined.context import PICTURES, RefinedContext
from training.speed import SpeedMeter

PART = 500


def run(context: RefinedContext) -> None:
    """Write what the base makes of both splits from all of its codes, (N, C, H, W) uint8 each."""
    base = context.base()
    splits = {"train": context.dataset.train, "validation": context.dataset.validation}
    found: dict[str, Tensor] = {}
    meter = SpeedMeter(context.directory, PICTURES, context.device, processes=1)
    with context.progress.stage(PICTURES, sum(map(len, splits.values())), unit="images") as progress:
        for name, split in splits.items():
            rebuilt = split.images.clone()
            for start in range(0, len(split), PART):
                part = split.take(slice(start, start + PART))
                rebuilt[start : start + PART] = reconstruct(base.autoencoder, part, base.manifest.codes, context.device)
                progress.advance(len(part), len(part))
                meter.count(len(part))
                meter.lap()
            found[name] = rebuilt
    save_checkpoint(context.pictures_path, found, {"base": base.manifest.identity})
    meter.write()
