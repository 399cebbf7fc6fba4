"""How many parameters each part of a model has."""

from __future__ import annotations

import torch
from torch import nn

from models.hierarchical.causal import OrderedConvolution
from models.hierarchical.config import HierarchyConfig
from models.hierarchical.hierarchy import Hierarchy

LEVEL_PARTS = ("encoder", "bottleneck", "auxiliary", "teacher", "modulator", "local")


def parameters(module: nn.Module) -> int:
    """Of a network, those that count: what masks leave out of a convolution is not among them."""
    convolutions = [part for part in module.modules() if isinstance(part, OrderedConvolution)]
    masked = sum(int((each.mask == 0).sum()) for each in convolutions if each.mask is not None)
    return sum(parameter.numel() for parameter in module.parameters()) - masked


def parameters_by_part(config: HierarchyConfig, labels: int) -> dict[str, dict[str, int]]:
    """Of a whole model, by `level 1`, .., `prior` and then by part, without making it.

    Args:
        labels: how many the prior has, the null label not counted.
    """
    with torch.device("meta"):
        hierarchy = Hierarchy(config, labels)
    counts: dict[str, dict[str, int]] = {}
    for number, level in enumerate(hierarchy.levels, 1):
        parts = {name: getattr(level, name) for name in LEVEL_PARTS}
        counts[f"level {number}"] = {name: parameters(part) for name, part in parts.items() if part is not None}
        counts[f"level {number}"]["auxiliary"] += parameters(level.head)
    return counts | {"prior": {"prior": parameters(hierarchy.prior)}}
