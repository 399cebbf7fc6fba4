"""The stage that measures a refined model."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from models.hierarchical.config import Grid
from models.refined.anytime import RefinedModel
from models.runtime.executors import build_model
from models.runtime.protocol import SampleRequest
from training.data.dataset import Split
from training.evaluation.cut_short import pictures_at
from training.evaluation.reconstruction import reconstruct
from training.hierarchical.evaluation import evaluate
from training.hierarchical.likelihood import Factor, bits_of_each, codebook_facts, joint
from training.hierarchical.report import CodebookFacts, LikelihoodFacts
from training.hierarchical.symbols import PictureSymbols, pictures
from training.refined.context import RefinedContext
from training.refined.refiner import draw_over

BATCH = 50
SHARES = (0.125, 0.25, 0.5, 1.0)  # of the pixels, after which distances are measured
BASE_DECODER = "the ordered model's decoder"


def run(context: RefinedContext) -> None:
    """Write the report and the pictures into the run's `evaluation` folder; the report last."""
    evaluate(context, RefinedSubject(context))


def rungs(codes: int, pixels: int) -> list[int]:
    """After how many codes distances are measured: after powers of two of the ordered ones, and shares of the pixels.

    Args:
        codes: of the ordered model.
        pixels: places.
    """
    powers = {1 << power for power in range(codes.bit_length())}
    return sorted({0, codes, *powers, *(codes + round(share * pixels) for share in SHARES)})


@dataclass(frozen=True, slots=True)
class RefinedSamples:
    """See `Drawn`.

    Attributes:
        after: by number of codes, the pictures after so many.
    """

    drawn: Tensor
    auxiliary: Tensor
    after: dict[int, Tensor]

    def pictures_after(self, codes: int) -> Tensor:
        """See `Drawn`."""
        return self.after[codes]


class RefinedSubject:
    """See `Subject`."""

    filling = (BASE_DECODER, BASE_DECODER)
    drawing_helps = "Drawing pixels brings samples nearer to real images than the ordered model's decoder does."

    def __init__(self, context: RefinedContext) -> None:
        self._context = context
        self._base, self._refiner = context.base(), context.refiner()
        self._codes = self._base.manifest.codes
        self.rungs = rungs(self._codes, self._refiner.grid.places)

    @torch.inference_mode()
    def likelihood(self, images: Split) -> LikelihoodFacts:
        """See `Subject`: of the pixels given the picture that the codes decode to, and of the codes."""
        base, grid, device = self._base, self._refiner.grid, self._context.device
        coarse, symbols = Split(self.rebuild(images), images.labels), PictureSymbols(images, grid)
        null = torch.tensor(base.prior.null_label, device=device)
        found: list[tuple[Tensor, Tensor, Tensor]] = []
        for start in range(0, len(images), BATCH):
            rows = slice(start, start + BATCH)
            x, labels = symbols.batch(rows, device), images.labels[rows].to(device)
            codes = base.autoencoder.encode_codes(images.batch(rows, device))
            given_label, given_none = (
                bits_of_each(base.prior(codes, each), codes) for each in (labels, null.expand_as(labels))
            )
            of_pixels = bits_of_each(self._refiner(x, coarse.batch(rows, device)), x)
            found.append((of_pixels, given_label, given_none))
        pixels, codes_bits, without = (torch.cat(part) for part in zip(*found, strict=True))
        bits = (base.manifest.autoencoder.codebook - 1).bit_length()
        ordered = Grid(channels=1, height=1, width=self._codes, bits=bits)
        return joint(
            [
                Factor("pixels", "the picture of all codes", grid, pixels, pixels),
                Factor("codes of the ordered model", "the label", ordered, codes_bits, without),
            ]
        )

    @torch.inference_mode()
    def codebooks(self, images: Split) -> tuple[CodebookFacts, ...]:
        """See `Subject`."""
        autoencoder = self._base.autoencoder
        starts = range(0, len(images), BATCH)
        parts = [images.batch(slice(start, start + BATCH), self._context.device) for start in starts]
        codes = torch.cat([autoencoder.encode_codes(part) for part in parts])
        return (codebook_facts(1, autoencoder.config.codebook, codes[:, None].cpu()),)

    def draw(self, labels: Tensor) -> RefinedSamples:
        """See `Subject`: by the model that is served, in full precision."""
        recipe = self._context.recipe
        slots = min(BATCH, len(labels))
        model = RefinedModel(build_model(self._base.autoencoder, self._base.prior, slots), self._refiner)
        requests = [
            SampleRequest(recipe.seed, row, label, **recipe.sampling.model_dump())
            for row, label in enumerate(labels.tolist())
        ]
        after = pictures_at(model, requests, self.rungs)
        return RefinedSamples(after[self.rungs[-1]], after[self._codes], after)

    def rebuild(self, images: Split) -> Tensor:
        """See `Subject`."""
        return reconstruct(self._base.autoencoder, images, self._codes, self._context.device)

    def redraw(self, images: Split, temperature: float, first_sample: int) -> Tensor:
        """See `Subject`."""
        coarse = Split(self.rebuild(images), images.labels).batch(slice(None), self._context.device)
        drawn = draw_over(self._refiner, coarse, self._context.recipe.seed, temperature, first_sample)
        return pictures(drawn, self._refiner.grid)
