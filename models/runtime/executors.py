"""A model of networks that are loaded, by any executor."""

from __future__ import annotations

import logging

from models.build import Autoencoder
from models.bundle.manifest import EightBitCheck
from models.errors import DeviceError
from models.prior import Prior, TransformerPrior
from models.runtime.choice import AUTO, BY_TORCH, FULL, GRAPHS_FP32, REFERENCE, build_without_torch, choose
from models.runtime.graphs.check import check_agreement
from models.runtime.graphs.executor import GraphExecutor
from models.runtime.graphs.launcher import CudaGraphs, Launcher
from models.runtime.ordered import OrderedModel
from models.runtime.reference import ReferenceExecutor
from models.runtime.weights import Parameters

_logger = logging.getLogger(__name__)


def build_model(
    autoencoder: Autoencoder, prior: Prior, slots: int, executor: str = FULL, check: EightBitCheck | None = None
) -> OrderedModel:
    """A model with so many slots, on the device of its networks.

    Args:
        executor, check: see `choose`.

    Raises:
        DeviceError: if an executor is asked for by name and cannot be had.
    """
    name = choose(prior.config.kind, prior.device.type, executor, check)
    if name not in BY_TORCH:
        return build_without_torch(name, Parameters.of_networks(autoencoder, prior), slots)
    if name != REFERENCE:
        try:
            return by_graphs(autoencoder, prior, slots, CudaGraphs(prior.device), exact=name == GRAPHS_FP32)
        except (DeviceError, RuntimeError) as error:
            if executor != AUTO:
                raise DeviceError(f"the executor {name} was asked for, but {error}") from error
            _logger.warning("executor %s cannot be used here, so the reference computes: %s", name, error)
    return OrderedModel(prior.vocabulary, ReferenceExecutor(autoencoder, prior, slots))


def by_graphs(autoencoder: Autoencoder, prior: Prior, slots: int, launcher: Launcher, *, exact: bool) -> OrderedModel:
    """A model by the graphs, which were found to agree with the networks.

    Raises:
        DeviceError: if they do not.
        RuntimeError: if the device cannot, or has too little memory.
    """
    assert isinstance(prior, TransformerPrior)  # noqa: S101 - the choice has seen to it
    executor = GraphExecutor(autoencoder, prior, slots, launcher, exact=exact)
    check_agreement(executor, autoencoder, prior)
    return OrderedModel(prior.vocabulary, executor)
