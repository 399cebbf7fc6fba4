"""Gated PixelCNNs of all kinds, and orders in which slots of them step, for property tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from torch import Tensor

from models.hierarchical.config import GatedPixelCNNConfig, Grid

SLOTS = 3


class Case(NamedTuple):
    """A network, and what it is for."""

    config: GatedPixelCNNConfig
    grid: Grid
    spatial: bool


@st.composite
def cases(draw: Callable[..., Any]) -> Case:
    """All kinds: priors and local models, with and without attention, of odd sizes."""
    channels = draw(st.integers(1, 3))
    layers = draw(st.integers(1, 4))
    hidden = draw(st.integers(channels + 1, 11))
    config = GatedPixelCNNConfig(
        layers=layers,
        hidden=hidden,
        filter=draw(st.sampled_from((3, 5, 7))),
        residual=draw(st.none() | st.integers(channels, 9)),
        attention=draw(st.integers(0, layers)) if channels == 1 else 0,
        heads=draw(st.integers(1, min(hidden, 4))),
        timing=draw(st.sampled_from((None, "add", "concat"))),
        dropout=0.5,
    )
    edges = draw(st.integers(1, 5)), draw(st.integers(1, 6))
    grid = Grid(channels=channels, height=edges[0], width=edges[1], bits=draw(st.integers(1, 4)))
    return Case(config, grid, draw(st.booleans()))


# Which slots step, one set after the other; and now and then which slot begins anew.
schedules = st.lists(
    st.tuples(st.sets(st.integers(0, SLOTS - 1), min_size=1).map(sorted), st.none() | st.integers(0, SLOTS - 1)),
    min_size=1,
    max_size=60,
)
common = settings(deadline=None, suppress_health_check=list(HealthCheck))


def rounding(logits: Tensor) -> float:
    """How far two ways to the same logits may be apart: 1e-5 of the greatest, which is above 100 in some networks."""
    of_one = {torch.float32: 1e-5, torch.float64: 1e-12}[logits.dtype]
    return of_one * max(1.0, float(logits.abs().max()))
