"""Draw the symbols of grids in slots, place by place; and whole hierarchies, grid by grid."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from models.config import SamplingDefaults
from models.hierarchical.config import Grid
from models.hierarchical.grid_sampler import GridSampler
from models.hierarchical.hierarchy import Hierarchy
from models.hierarchical.native import NativeGridSampler
from models.hierarchical.pixelcnn import GatedPixelCNN
from models.native import library
from models.runtime.executor import Draw
from models.runtime.protocol import SampleRequest
from models.runtime.randomness import code_uniforms

AnySampler = GridSampler | NativeGridSampler


def sampler_of(network: GatedPixelCNN, grid: Grid, slots: int, *, spatial: bool, native: bool = True) -> AnySampler:
    """What draws a network's grids: the native library where there is one for its device and precision, else PyTorch.

    Args:
        network, grid, slots, spatial: see `GridSampler`.
        native: whether it may be the library.
    """
    weight, kernels = network.head.weight, library.kernels()
    if native and kernels is not None and weight.device.type == "cpu" and weight.dtype == torch.float32:
        return NativeGridSampler(network, grid, slots, kernels, spatial=spatial)
    return GridSampler(network, grid, slots, spatial=spatial)


def draw_all(sampler: AnySampler, features: Tensor, how: Sequence[Draw]) -> Tensor:
    """Complete grids (B, C, H, W) int64, in slots that are all free, and are again afterwards.

    Args:
        features: (B, condition, height or 1, width or 1).
        how: of each.
    """
    slots = range(len(how))
    for slot in slots:
        sampler.begin(slot, features[slot], how[slot])
    sampler.step(slots, sampler.grid.places)
    symbols = sampler.symbols(slots)
    for slot in slots:
        sampler.release(slot)
    return symbols


def hows(requests: Sequence[SampleRequest], grids: Sequence[Grid], first: Sequence[int], index: int) -> list[Draw]:
    """How the symbols of grid `index` are drawn, for each request; see `HierarchyConfig.first_symbols`."""
    start, stop = first[index], first[index] + grids[index].symbols
    streams = [code_uniforms(request.seed, request.sample, stop)[start:] for request in requests]
    values = grids[index].values
    return [Draw.of(request, values, stream) for request, stream in zip(requests, streams, strict=True)]


@torch.inference_mode()
def sample_symbols(
    hierarchy: Hierarchy, labels: Sequence[int | None], seed: int, sampling: SamplingDefaults, batch: int = 64
) -> list[Tensor]:
    """Algorithm 4: draw a complete sample per label; sample i is keyed by (seed, i).

    Args:
        hierarchy: in evaluation mode.
        batch: samples at a time.

    Returns:
        The symbols of every grid, pixels first: (N, C, H, W) int64 each, on the CPU.
    """
    requests = [SampleRequest(seed, index, label, **sampling.model_dump()) for index, label in enumerate(labels)]
    config, prior = hierarchy.config, hierarchy.prior
    grids, slots = config.grids, min(batch, len(labels))
    null = prior.null_label
    known = torch.tensor([null if label is None else label for label in labels], device=prior.labels.weight.device)
    drawn: list[Tensor] = []
    for index in reversed(range(len(grids))):
        level = hierarchy.levels[index] if index < len(hierarchy.levels) else None
        network = prior.network if level is None else level.local
        sampler = sampler_of(network, grids[index], slots, spatial=level is not None)
        how = hows(requests, grids, config.first_symbols, index)
        parts = []
        for start in range(0, len(labels), slots):
            chunk = known[start : start + slots]
            features = prior.condition(chunk) if level is None else level.condition(chunk)
            parts.append(draw_all(sampler, features, how[start : start + slots]))
        known = torch.cat(parts)
        drawn.append(known.cpu())
    return drawn[::-1]
