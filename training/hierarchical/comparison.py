"""Ways to fill in what is not drawn, and orders of drawing, compared over one set of samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from models.config import SamplingDefaults
from models.hierarchical.hierarchy import Hierarchy
from models.hierarchical.sampling import sample_symbols
from training.data.dataset import Split
from training.evaluation.classifier import Extractor
from training.hierarchical.drawing import draw_pixels
from training.hierarchical.ladder import BELOW, KEPT, TOP, BelowFilling, Ladder, TopFilling, measure, rungs
from training.hierarchical.report import LadderFacts

PIXELS_EARLY = "pixels once the topmost codes are there"


def compare(
    hierarchy: Hierarchy,
    labels: Sequence[int],
    sampling: SamplingDefaults,
    seed: int,
    extractor: Extractor,
    real: Split,
    say: Callable[[str], None],
) -> Iterator[LadderFacts]:
    """Distances to real images by number of codes: of every filling where it makes a difference, and of every order.

    The grids of a hierarchy are drawn in turn, each in reading order, since each is predicted from the whole one above
    and from what comes before. The one other order is to leave out the grids between the topmost and the pixels, which
    auxiliary decoders then have to guess.

    Args:
        hierarchy: in evaluation mode.
        labels: of the samples that are drawn.
        real: held-out images.
        say: is told what comes next.
    """
    say("drawing samples")
    grids, known = sample_symbols(hierarchy, labels, seed, sampling), torch.tensor(labels)
    ladder = Ladder(hierarchy, grids, known, seed)

    def measured(codes: list[int], top: TopFilling = KEPT[0], below: BelowFilling = KEPT[1]) -> LadderFacts:
        def after(count: int) -> Tensor:
            return ladder.pictures_after(count, top, below)

        return measure(after, codes, extractor, real, seed, (top, below))

    every, top = rungs(hierarchy.config), hierarchy.config.grids[-1].places
    say("the whole ladder")
    yield measured(every)
    for of_codes in TOP:
        if of_codes != KEPT[0]:
            say(f"topmost codes: {of_codes}")
            yield measured([n for n in every if n < top], top=of_codes)
    for of_rest in BELOW:
        if of_rest != KEPT[1]:
            say(f"below: {of_rest}")
            yield measured([n for n in every if n >= top], below=of_rest)
    if len(hierarchy.levels) > 1:
        say(PIXELS_EARLY)
        yield _pixels_early(hierarchy, grids[-1], known, sampling, seed, extractor, real)


def _pixels_early(
    hierarchy: Hierarchy,
    codes: Tensor,
    labels: Tensor,
    sampling: SamplingDefaults,
    seed: int,
    extractor: Extractor,
    real: Split,
) -> LadderFacts:
    grids = draw_pixels(hierarchy, codes, seed, sampling)
    config = hierarchy.config
    between = sum(grid.places for grid in config.grids[1:-1])
    rest = [n for n in rungs(config) if n >= config.grids[-1].places + between]
    found = measure(Ladder(hierarchy, grids, labels, seed).pictures_after, rest, extractor, real, seed, KEPT)
    drawn = [rung.model_copy(update={"codes": rung.codes - between}) for rung in found.rungs]
    return found.model_copy(update={"order": PIXELS_EARLY, "rungs": tuple(drawn)})
