"""The stage that measures a hierarchical model."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from models.config import SamplingDefaults
from models.hierarchical.sampling import sample_symbols
from training.data.dataset import Split
from training.hierarchical.context import HierarchicalContext
from training.hierarchical.drawing import draw_below
from training.hierarchical.evaluation import evaluate
from training.hierarchical.ladder import KEPT, Ladder, rungs
from training.hierarchical.likelihood import codebooks, encode_all, likelihood
from training.hierarchical.report import CodebookFacts, LikelihoodFacts
from training.hierarchical.symbols import PictureSymbols, pictures


def run(context: HierarchicalContext) -> None:
    """Write the report and the pictures into the run's `evaluation` folder; the report last."""
    evaluate(context, HierarchicalSubject(context))


@dataclass(frozen=True, slots=True)
class HierarchicalSamples:
    """See `Drawn`; the symbols behind them are looked at again for what is cut short."""

    drawn: Tensor
    auxiliary: Tensor
    ladder: Ladder

    def pictures_after(self, codes: int) -> Tensor:
        """See `Drawn`."""
        return self.ladder.pictures_after(codes)


class HierarchicalSubject:
    """See `Subject`."""

    filling = KEPT
    drawing_helps = (
        "Drawing what is below the topmost codes brings samples nearer to real images than auxiliary decoders do."
    )

    def __init__(self, context: HierarchicalContext) -> None:
        self._context = context
        self._hierarchy = context.hierarchy()
        self._pixels = context.recipe.hierarchy.pixels
        self.rungs = rungs(self._hierarchy.config)

    def likelihood(self, images: Split) -> LikelihoodFacts:
        """See `Subject`."""
        return likelihood(self._hierarchy, self._encoded(images), images.labels, self._context.device)

    def codebooks(self, images: Split) -> tuple[CodebookFacts, ...]:
        """See `Subject`."""
        return codebooks(self._hierarchy, self._encoded(images))

    def draw(self, labels: Tensor) -> HierarchicalSamples:
        """See `Subject`."""
        recipe = self._context.recipe
        grids = sample_symbols(self._hierarchy, labels.tolist(), recipe.seed, recipe.sampling)
        ladder = Ladder(self._hierarchy, grids, labels, recipe.seed)
        return HierarchicalSamples(pictures(grids[0], self._pixels), self._guess(grids[-1]), ladder)

    def rebuild(self, images: Split) -> Tensor:
        """See `Subject`."""
        return self._guess(self._encoded(images)[-1])

    def redraw(self, images: Split, temperature: float, first_sample: int) -> Tensor:
        """See `Subject`."""
        codes = self._encoded(images)[-1].to(self._context.device)
        sampling = SamplingDefaults(temperature=temperature)
        return pictures(
            draw_below(self._hierarchy, codes, self._context.recipe.seed, sampling, first_sample)[0], self._pixels
        )

    def _encoded(self, images: Split) -> list[Tensor]:
        return encode_all(self._hierarchy, PictureSymbols(images, self._pixels), self._context.device)

    @torch.inference_mode()
    def _guess(self, codes: Tensor) -> Tensor:
        """What the auxiliary decoders make of topmost codes, uint8."""
        parts = [self._hierarchy.guess(part.to(self._context.device)) for part in torch.split(codes, 64)]
        return pictures(torch.cat(parts), self._pixels)
