"""How near samples are to real ones after any number of codes, and what other ways to fill in would make of them.

A hierarchy's quality is measured by distance, not by squared error as that of an ordered model: drawn texture is not
the original's, so it raises the error while it brings pictures nearer to real ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor

from models.curve import fit_quality_curve
from models.hierarchical import packing
from models.hierarchical.config import HierarchyConfig
from models.hierarchical.filling import down_to_pixels, fill_below, fill_top, likeliest_codes
from models.hierarchical.hierarchy import Hierarchy
from models.hierarchical.sampling import AnySampler, sampler_of
from training.data.dataset import Split
from training.evaluation.classifier import Extractor
from training.evaluation.frechet import FrechetReference, distances
from training.hierarchical.report import LadderFacts, RungFacts
from training.hierarchical.symbols import pictures
from training.seeds import derive_seed, generator

BATCH = 50
SHARES = (0.125, 0.25, 0.5, 1.0)  # of each grid, after which distances are measured

TopFilling = Literal["pass", "pass twice", "drawn", "likeliest"]
BelowFilling = Literal["auxiliary", "pass"]
TOP: tuple[TopFilling, ...] = ("likeliest", "pass", "pass twice", "drawn")
BELOW: tuple[BelowFilling, ...] = ("auxiliary", "pass")
KEPT: tuple[TopFilling, BelowFilling] = ("likeliest", "auxiliary")


def rungs(config: HierarchyConfig) -> list[int]:
    """After how many codes distances are measured: none, and some shares of each grid."""
    found, before = {0}, 0
    for grid in reversed(config.grids):
        found |= {before + max(1, round(share * grid.places)) for share in SHARES}
        before += grid.places
    return sorted(found)


class Ladder:
    """Complete samples, looked at as if drawing them had been cut short.

    Args:
        hierarchy: in evaluation mode.
        grids: the symbols of every grid, pixels first, (N, C, H, W) int64 each, all of them drawn.
        labels: (N,) int64.
        seed: of what the filling `drawn` draws.
    """

    def __init__(self, hierarchy: Hierarchy, grids: Sequence[Tensor], labels: Tensor, seed: int) -> None:
        self._hierarchy, self._grids, self._labels, self._seed = hierarchy, grids, labels, seed
        self._device = hierarchy.prior.labels.weight.device
        slots = min(BATCH, hierarchy.prior.null_label + 1)
        self._sampler = sampler_of(hierarchy.prior.network, hierarchy.config.grids[-1], slots, spatial=False)
        self._likeliest = likeliest_codes(hierarchy, self._sampler)
        grids_below = zip(hierarchy.levels, hierarchy.config.grids[:-1], strict=True)
        self._below = [sampler_of(level.local, grid, 1, spatial=True) for level, grid in grids_below]

    @torch.inference_mode()
    def pictures_after(self, codes: int, top: TopFilling = KEPT[0], below: BelowFilling = KEPT[1]) -> Tensor:
        """All samples after so many codes, (N, C, H, W) uint8; a server gives those of the kept fillings."""
        parts = []
        for start in range(0, len(self._labels), BATCH):
            rows = slice(start, start + BATCH)
            parts.append(self._part_after(codes, rows, top, below))
        return pictures(torch.cat(parts), self._hierarchy.config.pixels)

    def _part_after(self, codes: int, rows: slice, top: TopFilling, below: BelowFilling) -> Tensor:
        config = self._hierarchy.config
        index, places = packing.reached(config, codes)
        grid = config.grids[index]
        known = self._grids[index][rows].to(self._device)
        drawn = torch.arange(grid.places, device=self._device).view(1, 1, grid.height, grid.width) < places
        if index == len(self._hierarchy.levels):
            labels = self._labels[rows].to(self._device)
            filled = self._fill_top(known, drawn, labels, top, derive_seed(self._seed, "ladder", codes, rows.start))
        else:
            filled = self._fill_below(index, known, drawn, self._grids[index + 1][rows].to(self._device), below)
        return down_to_pixels(self._hierarchy, index, filled)

    def _fill_below(self, index: int, known: Tensor, drawn: Tensor, above: Tensor, how: BelowFilling) -> Tensor:
        filled = fill_below(self._hierarchy, index, known, drawn, above)
        if how == "auxiliary":
            return filled
        features = self._hierarchy.levels[index].condition(above)
        return _pass_over(self._below[index], known, drawn, features, filled)

    def _fill_top(self, known: Tensor, drawn: Tensor, labels: Tensor, how: TopFilling, seed: int) -> Tensor:
        assumed = fill_top(known, drawn, self._likeliest[labels])
        if how == "likeliest":
            return assumed
        features = self._hierarchy.prior.condition(labels)
        if how == "drawn":
            chances = self._sampler.logits(assumed, features).softmax(-1)
            symbols = torch.multinomial(chances.flatten(0, -2).cpu(), 1, generator=generator(seed)).view(known.shape)
            return torch.where(drawn, known, symbols.to(known.device))
        for _ in range(1 if how == "pass" else 2):
            assumed = _pass_over(self._sampler, known, drawn, features, assumed)
        return assumed


def _pass_over(sampler: AnySampler, known: Tensor, drawn: Tensor, features: Tensor, assumed: Tensor) -> Tensor:
    """The likeliest symbols where nothing is drawn, given what is and, in place of the rest, what is assumed."""
    return torch.where(drawn, known, sampler.logits(assumed, features).argmax(-1))


def measure(
    pictures_after: Callable[[int], Tensor],
    codes: Sequence[int],
    extractor: Extractor,
    real: Split,
    seed: int,
    filling: tuple[str, str],
) -> LadderFacts:
    """Distances to real, held-out images after these numbers of codes.

    Args:
        pictures_after: gives the samples after so many, (N, C, H, W) uint8.
        seed: of the bootstrap.
        filling: what stands in for what is not drawn, in the topmost grid and below.
    """
    reference = FrechetReference(extractor.judge(real.images).features)
    features = [extractor.judge(pictures_after(count)).features for count in codes]
    bootstrap = derive_seed(seed, "ladder", "bootstrap")
    found, _ = distances(reference, features, bootstrap)
    _, (drop,) = distances(reference, [features[0], features[-1]], bootstrap)
    return LadderFacts(
        name=f"FD ({extractor.name})",
        reference_images=len(real),
        samples=len(features[0]),
        top=filling[0],
        below=filling[1],
        rungs=tuple(RungFacts(codes=count, distance=each) for count, each in zip(codes, found, strict=True)),
        drop=drop,
    )


def quality_curve(ladder: LadderFacts) -> tuple[float, ...]:
    """K + 1 numbers: the share of the reduction of distance that so many codes achieve, between rungs by interpolation.

    Where complete samples are no nearer to real ones than those without a code, nothing is known of what any code is
    worth, and all are taken to be worth the same.
    """
    first, last = ladder.rungs[0], ladder.rungs[-1]
    if not last.distance.value < first.distance.value:
        return tuple(count / last.codes for count in range(last.codes + 1))
    found: list[float] = []
    for low, high in pairwise(ladder.rungs):
        steps = high.codes - low.codes
        slope = (high.distance.value - low.distance.value) / steps
        found += [low.distance.value + slope * step for step in range(steps)]
    return fit_quality_curve([*found, last.distance.value])
