"""A model of networks that are loaded, by any executor."""

from __future__ import annotations

from models.build import Autoencoder
from models.bundle.manifest import EightBitCheck
from models.prior import Prior
from models.runtime.choice import REFERENCE, build_without_torch, choose
from models.runtime.ordered import OrderedModel
from models.runtime.reference import ReferenceExecutor
from models.runtime.weights import Parameters


def build_model(
    autoencoder: Autoencoder, prior: Prior, slots: int, executor: str = "auto", check: EightBitCheck | None = None
) -> OrderedModel:
    """A model with so many slots, on the device of its networks.

    Args:
        executor, check: see `choose`.

    Raises:
        DeviceError: if a native executor is asked for and cannot be had.
    """
    name = choose(prior.config.kind, prior.device.type, executor, check)
    if name != REFERENCE:
        return build_without_torch(name, Parameters.of_networks(autoencoder, prior), slots)
    return OrderedModel(prior.vocabulary, ReferenceExecutor(autoencoder, prior, slots))
