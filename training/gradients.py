"""The gradient of a step's batch, in however many parts and processes it is computed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor, nn

from training.draws import part_of_batch
from training.options import Optimisation
from training.processes import Processes

Loss = Callable[[Tensor, int], tuple[Tensor, Mapping[str, Tensor]]]


def add_gradients(
    network: nn.Module, loss: Loss, rows: Tensor, seed: int, settings: Optimisation, processes: Processes
) -> dict[str, Tensor]:
    """Leave the gradient of the mean loss over a batch in a network whose own is cleared.

    Args:
        loss: the mean loss of the examples at some rows, and its parts for the log.
        rows: (B,) int64, the whole batch, at least two for each process if there are several.
        seed: of all that the batch draws.
        settings: in how many parts a process computes its share, and whether the network is compiled.
        processes: who share the batch; each is left with the whole batch's gradient.

    Returns:
        The mean over the batch of `loss`, so called, and of each of its parts; scalars.
    """
    means: dict[str, Tensor] = {}
    for part in _slices(processes.share(len(rows)), settings.accumulate):
        with part_of_batch(part, len(rows), seed, settings.compile):
            value, others = loss(rows[part], seed)
        # Means over parts add up to the mean over the batch if each counts as much as it has examples.
        weight = (part.stop - part.start) / len(rows)
        torch.autograd.backward(value * weight)
        for name, mean in {"loss": value.detach(), **others}.items():
            means[name] = means[name] + mean * weight if name in means else mean * weight
    return _summed(network, means, processes)


def _slices(share: slice, parts: int) -> Iterator[slice]:
    """A share cut into so many contiguous parts, as even as can be; fewer if not all would have two rows.

    A layer may lay one example out in memory otherwise than several, and numbers are drawn in that order.
    """
    rows = share.stop - share.start
    parts = max(1, min(parts, rows // 2))
    for part in range(parts):
        yield slice(share.start + rows * part // parts, share.start + rows * (part + 1) // parts)


def _summed(network: nn.Module, means: dict[str, Tensor], processes: Processes) -> dict[str, Tensor]:
    """Gradients and means, added up over the processes: all in one message, which costs less than many."""
    if processes.count == 1:
        return means
    # Whether a parameter has a gradient depends on the stage and not on the examples, so all processes agree on it.
    gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
    message = torch.cat([*(gradient.flatten() for gradient in gradients), torch.stack(list(means.values()))])
    sizes = [*(gradient.numel() for gradient in gradients), len(means)]
    *pieces, summed = torch.split(processes.sum(message), sizes)
    for gradient, piece in zip(gradients, pieces, strict=True):
        gradient.copy_(piece.view_as(gradient))
    return dict(zip(means, summed, strict=True))
