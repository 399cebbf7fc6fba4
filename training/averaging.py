"""Polyak averaging: judging and keeping a running mean of the weights instead of the last ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


class WeightAverage:
    """An exponential moving average of a network's weights; the first update takes them as they are.

    Args:
        network: the one that is trained.
        decay: the share of the average that stays at each update; 0 follows the network exactly.
        warmup: whether it is at most (1 + n) / (10 + n) after n updates, so that the first weights are soon forgotten.
    """

    def __init__(self, network: nn.Module, decay: float, *, warmup: bool = False) -> None:
        self._network = network

        def mixed(average: Tensor, present: Tensor, updates: int | Tensor) -> Tensor:
            share = min(decay, (1 + int(updates)) / (10 + int(updates))) if warmup else decay
            return present.lerp(average, share)

        self._average = AveragedModel(network, avg_fn=mixed)

    def update(self) -> None:
        """Take the network's present weights in; once after each step."""
        self._average.update_parameters(self._network)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Within, the network has the average's weights; after it, its own again."""
        own = {name: tensor.clone() for name, tensor in self._network.state_dict().items()}
        self._network.load_state_dict(self._average.module.state_dict())
        try:
            yield
        finally:
            self._network.load_state_dict(own)

    def state_dict(self) -> Mapping[str, Tensor]:
        """What a checkpoint must keep of it."""
        state: Mapping[str, Tensor] = self._average.state_dict()
        return state

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what `state_dict` was."""
        self._average.load_state_dict(state)
