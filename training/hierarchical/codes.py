"""The stages that turn what a level is made of into its codes, which the next level, or the prior, learns from."""

from __future__ import annotations

import torch
from torch import Tensor

from training.checkpoint import save_checkpoint
from training.hierarchical.context import HierarchicalContext, SplitName, codes_stage
from training.hierarchical.symbols import packed
from training.speed import SpeedMeter

BATCH = 100
SPLITS: tuple[SplitName, ...] = ("train", "validation")


def run(context: HierarchicalContext, number: int) -> None:
    """Encode both splits with a level as it ships and write its codes, (N, C, H, W)."""
    level, stage = context.level(number), codes_stage(number)
    grid = context.recipe.hierarchy.grids[number]
    sources = {split: context.symbols(number, split) for split in SPLITS}
    codes: dict[str, Tensor] = {}
    meter = SpeedMeter(context.directory, stage, context.device, processes=1)
    with (
        torch.inference_mode(),
        context.progress.stage(stage, sum(map(len, sources.values())), unit="images") as progress,
    ):
        for split, symbols in sources.items():
            rows: list[Tensor] = []
            for start in range(0, len(symbols), BATCH):
                encoded = level.encode(symbols.batch(slice(start, start + BATCH), context.device))
                rows.append(packed(encoded, grid).cpu())
                progress.advance(len(encoded), len(encoded))
                meter.count(len(encoded))
                meter.lap()
            codes[split] = torch.cat(rows)
        used = [
            int(torch.bincount(channel.flatten().long()).count_nonzero()) for channel in codes["train"].unbind(dim=1)
        ]
        progress.say(f"{', '.join(map(str, used))} of {grid.values} codebook entries in use")
    save_checkpoint(context.codes_path(number), codes, {"codebook_used": used})
    meter.write()
