"""The stage that turns the training and validation images into codes, what the prior learns from."""

from __future__ import annotations

import torch
from torch import Tensor

from training.checkpoint import save_checkpoint
from training.context import RunContext
from training.data.dataset import Split
from training.speed import SpeedMeter

BATCH = 500


def run(context: RunContext) -> None:
    """Encode both splits with the autoencoder as it ships and write their codes, (N, K) int32 each."""
    network = context.autoencoder()
    splits = {"train": context.dataset.train, "validation": context.dataset.validation}
    codes: dict[str, Tensor] = {}
    meter = SpeedMeter(context.directory, "codes", context.device, processes=1)
    with (
        torch.inference_mode(),
        context.progress.stage("codes", sum(len(split) for split in splits.values()), unit="images") as progress,
    ):
        for name, split in splits.items():
            rows: list[Tensor] = []
            for batch in _batches(split):
                encoded = network.encode_codes(split.batch(batch, context.device))
                rows.append(encoded.to("cpu", torch.int32))
                progress.advance(len(encoded), len(encoded))
                meter.count(len(encoded))
                meter.lap()
            codes[name] = torch.cat(rows)
        used = int(torch.bincount(codes["train"].flatten()).count_nonzero())
        progress.say(f"{used} of {context.recipe.autoencoder.codebook} codebook entries in use")
    save_checkpoint(context.codes_path, codes, {"codebook_used": used})
    meter.write()


def _batches(split: Split) -> list[slice]:
    return [slice(start, start + BATCH) for start in range(0, len(split), BATCH)]
