"""Models by the executor for CUDA devices, on the CPU."""

from __future__ import annotations

import torch
from factories import tiny_networks

from models.bundle.networks import Networks
from models.prior import TransformerPrior
from models.runtime.graphs.executor import GraphExecutor
from models.runtime.graphs.launcher import Eager, Launcher
from models.runtime.ordered import OrderedModel

CPU = torch.device("cpu")
NETWORKS = tiny_networks()


def executor_of(
    networks: Networks = NETWORKS, slots: int = 13, launcher: Launcher | None = None, *, exact: bool = True
) -> GraphExecutor:
    """Its work is run as it is, if no launcher is given."""
    assert isinstance(networks.prior, TransformerPrior)
    return GraphExecutor(networks.autoencoder, networks.prior, slots, launcher or Eager(CPU), exact=exact)


def model_of(
    networks: Networks = NETWORKS, slots: int = 13, launcher: Launcher | None = None, *, exact: bool = True
) -> OrderedModel:
    return OrderedModel(networks.prior.vocabulary, executor_of(networks, slots, launcher, exact=exact))
