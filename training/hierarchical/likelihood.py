"""Joint bits per dimension (section 6 and appendix F)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from models.hierarchical.config import Grid
from models.hierarchical.hierarchy import Hierarchy
from training.evaluation.intervals import mean_estimate
from training.hierarchical.report import CodebookFacts, GridFacts, LikelihoodFacts
from training.hierarchical.symbols import PictureSymbols

BATCH = 50


@torch.inference_mode()
def encode_all(hierarchy: Hierarchy, symbols: PictureSymbols, device: torch.device) -> list[Tensor]:
    """The symbols of every grid, pixels first, (N, C, H, W) int64 each, on the CPU."""
    parts = [
        [grid.cpu() for grid in hierarchy.encode(symbols.batch(slice(start, start + BATCH), device))]
        for start in range(0, len(symbols), BATCH)
    ]
    return [torch.cat(of_grid) for of_grid in zip(*parts, strict=True)]


def likelihood(hierarchy: Hierarchy, grids: list[Tensor], labels: Tensor, device: torch.device) -> LikelihoodFacts:
    """Bits per dimension of images that `encode_all` has encoded.

    Args:
        labels: (N,) int64.
    """
    null = torch.full_like(labels, hierarchy.prior.null_label)
    factors = []
    for index, grid in enumerate(hierarchy.config.grids):
        top = index == len(grids) - 1
        given = "the label" if top else f"codes of level {index + 1}"
        found = bits_of_images(hierarchy, grids, index, labels, device)
        without = bits_of_images(hierarchy, grids, index, null, device) if top else found
        factors.append(Factor(f"codes of level {index}" if index else "pixels", given, grid, found, without))
    return joint(factors)


class Factor(NamedTuple):
    """One factor of a joint likelihood.

    Attributes:
        name: whose symbols.
        given: what they are predicted from.
        bits: of each image's, (N,).
        without: the same without a label.
    """

    name: str
    given: str
    grid: Grid
    bits: Tensor
    without: Tensor


def joint(factors: Sequence[Factor]) -> LikelihoodFacts:
    """What they make together; the pixels' is the first."""
    pixels = factors[0].grid
    dimensions = pixels.symbols
    return LikelihoodFacts(
        images=len(factors[0].bits),
        joint=mean_estimate(torch.stack([factor.bits for factor in factors]).sum(0) / dimensions),
        unconditional=mean_estimate(torch.stack([factor.without for factor in factors]).sum(0) / dimensions),
        pixel_bits=pixels.bits,
        grids=tuple(
            GridFacts(
                name=factor.name,
                given=factor.given,
                channels=factor.grid.channels,
                height=factor.grid.height,
                width=factor.grid.width,
                bits=factor.grid.bits,
                per_symbol=mean_estimate(factor.bits / factor.grid.symbols),
                per_dimension=mean_estimate(factor.bits / dimensions),
            )
            for factor in factors
        ),
    )


@torch.inference_mode()
def bits_of_images(
    hierarchy: Hierarchy, grids: list[Tensor], index: int, labels: Tensor, device: torch.device
) -> Tensor:
    """-log2 of the probability of each image's symbols of one grid, given the grid above or the label: (N,) float64."""
    found = []
    for start in range(0, len(labels), BATCH):
        rows = slice(start, start + BATCH)
        x = grids[index][rows].to(device)
        if index < len(hierarchy.levels):
            logits = hierarchy.levels[index](x, grids[index + 1][rows].to(device))
        else:
            logits = hierarchy.prior(x, labels[rows].to(device))
        found.append(bits_of_each(logits, x))
    return torch.cat(found)


def bits_of_each(logits: Tensor, symbols: Tensor) -> Tensor:
    """-log2 of the probability of each example's symbols (B, ...) by their logits (B, ..., V): (B,) float64."""
    nats = cross_entropy(logits.flatten(0, -2).float(), symbols.flatten(), reduction="none").view(len(symbols), -1)
    return nats.double().sum(1).cpu() / math.log(2)


def codebooks(hierarchy: Hierarchy, grids: list[Tensor]) -> tuple[CodebookFacts, ...]:
    """How each level's codes are spread over its codebooks."""
    levels = enumerate(zip(hierarchy.config.grids[1:], grids[1:], strict=True), 1)
    return tuple(codebook_facts(number, grid.values, codes) for number, (grid, codes) in levels)


def codebook_facts(level: int, entries: int, codes: Tensor) -> CodebookFacts:
    """Of codes (N, C, ...), each channel of which has a codebook of so many entries."""
    counts = [torch.bincount(channel.flatten(), minlength=entries) for channel in codes.unbind(dim=1)]
    shares = [count.double() / count.sum() for count in counts]
    return CodebookFacts(
        level=level,
        entries=entries,
        used=tuple(int(count.count_nonzero()) for count in counts),
        perplexity=tuple(torch.special.entr(share).sum().exp().item() for share in shares),
    )
