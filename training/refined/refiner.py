"""The stage that trains the refiner: pixels, given what the base makes of its codes for them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from models.hierarchical.losses import bits, negative_log_likelihood
from models.hierarchical.sampling import draw_all, hows, sampler_of
from models.refined.refiner import Refiner
from models.runtime.protocol import SampleRequest
from training.crops import Crops
from training.hierarchical.symbols import PictureSymbols, pictures
from training.loop import train
from training.progress import StageProgress, tile
from training.refined.context import REFINER, RefinedContext

SHOWN = 8  # held-out images in a grid


def run(context: RefinedContext) -> None:
    """Train the refiner and write its best epoch's weights."""
    train(context, RefinerTask(context), context.recipe.stage)


class RefinerTask:
    """Trains a refiner; the best epoch is the one that predicts held-out pixels best."""

    stage = REFINER
    criterion = "bits"
    memory = None

    def __init__(self, context: RefinedContext) -> None:
        self.context = context
        self.settings = context.recipe.stage
        self.network = context.new_refiner()
        grid = self.network.grid
        self.coarse = context.pictures()
        dataset = context.dataset
        self.fine = {
            "train": PictureSymbols(dataset.train, grid),
            "validation": PictureSymbols(dataset.validation, grid),
        }
        self.examples = len(dataset.train)
        self.crops = Crops(grid, self.settings.crop)
        height, width = self.crops.window
        self.codes_per_example = height * width * grid.channels

    def start(self) -> None:
        """Fresh weights."""
        self.network.load_state_dict(self.context.new_refiner().state_dict())

    def loss(self, rows: Tensor, seed: int) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Mean negative log-likelihood of a symbol, in nats; its part for the log in bits."""
        x, coarse = self.crops.cut(seed, *self._batch("train", rows))
        with self.context.autocast(self.settings):
            nats = negative_log_likelihood(self.network(x, coarse), x)
        return nats, {"bits": bits(nats.detach())}

    def validate(self) -> Mapping[str, float]:
        """`bits` of a symbol of a whole held-out picture."""
        processes, batch, count = self.context.processes, self.settings.batch, len(self.fine["validation"])
        total = 0.0
        for start in processes.deal(range(0, count, batch)):
            x, coarse = self._batch("validation", slice(start, start + batch))
            total += bits(negative_log_likelihood(self.network(x, coarse), x)).item() * len(x)
        return {"bits": processes.sum(torch.tensor(total, dtype=torch.float64)).item() / count}

    def illustrate(self, progress: StageProgress, step: int) -> None:
        """Held-out images; below each what the base makes of it, and what is drawn over that."""
        x, coarse = self._batch("validation", slice(SHOWN))
        drawn = draw_over(self.network, coarse, self.context.recipe.seed)
        shown = [pictures(symbols, self.network.grid).float() / 255 for symbols in (x, drawn)]
        progress.image("refined", tile(torch.cat([shown[0], coarse.cpu(), shown[1]]).numpy(), len(x)), step)

    def _batch(self, split: str, rows: Tensor | slice) -> tuple[Tensor, Tensor]:
        """Symbols (B, C, H, W) int64, and the base's pictures (B, C, H, W) from 0 to 1."""
        device = self.context.device
        return self.fine[split].batch(rows, device), self.coarse[split].batch(rows, device)


@torch.inference_mode()
def draw_over(
    refiner: Refiner, coarse: Tensor, seed: int, temperature: float = 1.0, first_sample: int = 0, batch: int = 64
) -> Tensor:
    """Pixels drawn given pictures (N, C, H, W) from 0 to 1: (N, C, H, W) int64.

    Args:
        seed, first_sample: row i is drawn by the numbers of (seed, first_sample + i), counted from the first pixel.
    """
    grid, slots = refiner.grid, min(batch, len(coarse))
    sampler = sampler_of(refiner.local, grid, slots, spatial=True)
    requests = [SampleRequest(seed, first_sample + row, temperature=temperature) for row in range(len(coarse))]
    how = hows(requests, (grid,), (0,), 0)
    starts = range(0, len(coarse), slots)
    parts = [draw_all(sampler, refiner.condition(coarse[at : at + slots]), how[at : at + slots]) for at in starts]
    return torch.cat(parts)
