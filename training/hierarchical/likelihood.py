"""Joint bits per dimension (section 6 and appendix F)."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

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
    given = [bits_of_images(hierarchy, grids, index, labels, device) for index in range(len(grids))]
    null = torch.full_like(labels, hierarchy.prior.null_label)
    without = [*given[:-1], bits_of_images(hierarchy, grids, len(grids) - 1, null, device)]
    config = hierarchy.config
    dimensions = config.pixels.symbols
    facts = []
    for index, (grid, found) in enumerate(zip(config.grids, given, strict=True)):
        above = "the label" if index == len(grids) - 1 else f"codes of level {index + 1}"
        facts.append(
            GridFacts(
                name=f"codes of level {index}" if index else "pixels",
                given=above,
                channels=grid.channels,
                height=grid.height,
                width=grid.width,
                bits=grid.bits,
                per_symbol=mean_estimate(found / grid.symbols),
                per_dimension=mean_estimate(found / dimensions),
            )
        )
    return LikelihoodFacts(
        images=len(labels),
        joint=mean_estimate(torch.stack(given).sum(0) / dimensions),
        unconditional=mean_estimate(torch.stack(without).sum(0) / dimensions),
        pixel_bits=config.pixels.bits,
        grids=tuple(facts),
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
        nats = cross_entropy(logits.flatten(0, -2), x.flatten(), reduction="none").view(len(x), -1)
        found.append(nats.double().sum(1).cpu() / math.log(2))
    return torch.cat(found)


def codebooks(hierarchy: Hierarchy, grids: list[Tensor]) -> tuple[CodebookFacts, ...]:
    """How each level's codes are spread over its codebooks."""
    facts = []
    for number, (grid, codes) in enumerate(zip(hierarchy.config.grids[1:], grids[1:], strict=True), 1):
        counts = [torch.bincount(channel.flatten(), minlength=grid.values) for channel in codes.unbind(dim=1)]
        shares = [count.double() / count.sum() for count in counts]
        facts.append(
            CodebookFacts(
                level=number,
                entries=grid.values,
                used=tuple(int(count.count_nonzero()) for count in counts),
                perplexity=tuple(torch.special.entr(share).sum().exp().item() for share in shares),
            )
        )
    return tuple(facts)
