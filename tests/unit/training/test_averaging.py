"""Polyak averages against the sum that defines them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from training.averaging import WeightAverage


def test_the_average_is_exponential_and_begins_with_the_first_weights() -> None:
    network = nn.Linear(1, 1, bias=False)
    average = WeightAverage(network, decay=0.75)
    expected = None
    for value in (4.0, 8.0, -2.0):
        nn.init.constant_(network.weight, value)
        average.update()
        expected = value if expected is None else 0.75 * expected + 0.25 * value
    with average.applied():
        assert network.weight.item() == pytest.approx(expected)
    assert network.weight.item() == -2.0


def test_the_networks_own_weights_come_back_after_a_failure() -> None:
    network = nn.Linear(1, 1)
    average = WeightAverage(network, decay=0.5)
    average.update()
    nn.init.constant_(network.weight, 3.0)
    with pytest.raises(RuntimeError), average.applied():
        raise RuntimeError
    assert network.weight.item() == 3.0


def test_it_goes_on_from_its_state() -> None:
    network = nn.Linear(2, 2)
    first, second = WeightAverage(network, 0.9), WeightAverage(network, 0.9)
    first.update()
    nn.init.ones_(network.weight)
    second.load_state_dict({name: tensor.clone() for name, tensor in first.state_dict().items()})
    first.update()
    second.update()
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[name])
