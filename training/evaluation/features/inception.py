"""Inception v3 as published FIDs use it: the network that TensorFlow's 2015 graph holds, with its oddities.

Szegedy et al., "Rethinking the Inception Architecture" (2015), and what Heusel et al. (2017) compute FID from: pictures
enlarged to 299 x 299 as TensorFlow 1 did, scaled to about [-1, 1], and the 2048 features before the last layer. Unlike
in the paper, averages over neighbours leave out what is beyond the border, and the last block takes a maximum instead.

The weights are a file of 91 MB that the packages pytorch-fid and torch-fidelity both publish under names that end in
`inception-2015-12-05-6726825d.pth`, the last part being the beginning of its SHA-256.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, max_pool2d

from models.errors import AnytimeError
from training.evaluation.features.network import FeatureNetwork

FEATURES = 2048
PUBLISHED = "inception-2015-12-05"
"""The name of the network with the published weights: only its distances are called FID."""

_DIGEST = "6726825d"  # the first digits of the published file's SHA-256
_UNUSED = "num_batches_tracked"  # by a network that does not learn; not every file has it
_SIZE = 299
_CLASSES = 1008  # of the last layer, whose weights are in the file and which is not used


def load_inception(path: Path, device: torch.device) -> FeatureNetwork:
    """The network with a file's weights; with others than the published ones it has another name.

    Raises:
        AnytimeError: the file cannot be read, or is not of this network.
    """
    network = Inception()
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        # The restricted reader: tensors and plain values, nothing that runs.
        stored: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
        needed = [name for name in network.state_dict() if not name.endswith(_UNUSED)]
        network.load_state_dict(network.state_dict() | {name: stored[name] for name in needed})
    except Exception as error:  # torch raises whatever its reader of archives and pickles comes upon
        raise AnytimeError(
            f"{path}: does not hold Inception's weights as pytorch-fid and torch-fidelity publish them, in a file "
            f"inception-2015-12-05-{_DIGEST}.pth ({type(error).__name__}: {error})"
        ) from error
    network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    name = PUBLISHED if digest.startswith(_DIGEST) else f"inception-{digest[:8]}"
    return FeatureNetwork(name, network.eval().requires_grad_(False), device)


class Step(NamedTuple):
    """A convolution of a chain, by the name that its weights have; padded to keep the size unless it has a stride."""

    name: str
    outputs: int
    kernel: int | tuple[int, int] = 1
    stride: int = 1


class Fork(NamedTuple):
    """The end of a chain: two convolutions of the same input, one's outputs behind the other's."""

    first: Step
    second: Step


Chain = tuple[Step | Fork, ...]
Pool = Literal["average", "maximum"]
WIDE, TALL = (1, 7), (7, 1)


class Convolution(nn.Module):
    """Convolution without bias, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int | tuple[int, int], stride: int, *, padded: bool) -> None:
        super().__init__()
        height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = (height // 2, width // 2) if padded else 0
        self.conv = nn.Conv2d(inputs, outputs, (height, width), stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H', W')."""
        result: Tensor = self.bn(self.conv(x)).relu_()
        return result


class Mixed(nn.Module):
    """A block: chains of convolutions side by side, and behind them neighbours pooled.

    Args:
        inputs: channels.
        chains: of convolutions.
        pool: how neighbours are pooled before a convolution `branch_pool`.
        pooled: its outputs; 0 for none, and a maximum with a stride of 2 instead.
    """

    def __init__(self, inputs: int, chains: Sequence[Chain], pool: Pool = "maximum", pooled: int = 0) -> None:
        super().__init__()
        self.chains, self.pool = chains, pool
        for chain in chains:
            channels = inputs
            for link in chain:
                for step in _steps(link):
                    self.add_module(step.name, _convolution(channels, step))
                channels = _steps(link)[0].outputs
        self.branch_pool = _convolution(inputs, Step("branch_pool", pooled)) if pooled else None

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H', W')."""
        found = [self._along(chain, x) for chain in self.chains]
        if self.branch_pool is None:
            found.append(max_pool2d(x, 3, 2))
        elif self.pool == "average":
            found.append(self.branch_pool(avg_pool2d(x, 3, 1, 1, count_include_pad=False)))
        else:
            found.append(self.branch_pool(max_pool2d(x, 3, 1, 1)))
        return torch.cat(found, 1)

    def _along(self, chain: Chain, x: Tensor) -> Tensor:
        for link in chain:
            x = torch.cat([self.get_submodule(step.name)(x) for step in _steps(link)], 1)
        return x


class Inception(nn.Module):
    """(B, 3, H, W) in [0, 255] -> (B, 2048). Its names are those of the published weights."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = Convolution(3, 32, 3, 2, padded=False)
        self.Conv2d_2a_3x3 = Convolution(32, 32, 3, 1, padded=False)
        self.Conv2d_2b_3x3 = Convolution(32, 64, 3, 1, padded=True)
        self.Conv2d_3b_1x1 = Convolution(64, 80, 1, 1, padded=False)
        self.Conv2d_4a_3x3 = Convolution(80, 192, 3, 1, padded=False)
        self.Mixed_5b = _small(192, 32)
        self.Mixed_5c = _small(256, 64)
        self.Mixed_5d = _small(288, 64)
        self.Mixed_6a = _halved_once(288)
        self.Mixed_6b = _stretched(128)
        self.Mixed_6c = _stretched(160)
        self.Mixed_6d = _stretched(160)
        self.Mixed_6e = _stretched(192)
        self.Mixed_7a = _halved_twice(768)
        self.Mixed_7b = _forked(1280, "average")
        self.Mixed_7c = _forked(FEATURES, "maximum")
        self.fc = nn.Linear(FEATURES, _CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        x = (enlarged(x, _SIZE) - 128) / 128
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(max_pool2d(x, 3, 2)))
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(max_pool2d(x, 3, 2))))
        x = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(x)))))
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x)))
        return x.mean((2, 3))


def enlarged(x: Tensor, size: int) -> Tensor:
    """Pictures (B, C, H, W) at (size, size), bilinearly, as TensorFlow 1 did: pixel i lies at i * H / size.

    The corners are therefore not treated alike, and neither of PyTorch's two ways to align them is the same.
    """
    rows, columns = (_interpolation(length, size).to(x) for length in x.shape[2:])
    return rows @ x @ columns.T


def _interpolation(length: int, size: int) -> Tensor:
    """(size, length): of each place in the result, how much of each pixel is in it."""
    at = torch.arange(size, dtype=torch.float64) * length / size
    lower = at.floor().long()
    upper = (lower + 1).clamp(max=length - 1)
    share = (at - lower).unsqueeze(1)
    whole = torch.eye(length, dtype=torch.float64)
    return (1 - share) * whole[lower] + share * whole[upper]


def _steps(link: Step | Fork) -> tuple[Step, ...]:
    return (link,) if isinstance(link, Step) else tuple(link)


def _convolution(inputs: int, step: Step) -> Convolution:
    return Convolution(inputs, step.outputs, step.kernel, step.stride, padded=step.stride == 1)


def _small(inputs: int, pooled: int) -> Mixed:
    chains: list[Chain] = [
        (Step("branch1x1", 64),),
        (Step("branch5x5_1", 48), Step("branch5x5_2", 64, 5)),
        (Step("branch3x3dbl_1", 64), Step("branch3x3dbl_2", 96, 3), Step("branch3x3dbl_3", 96, 3)),
    ]
    return Mixed(inputs, chains, "average", pooled)


def _halved_once(inputs: int) -> Mixed:
    chains: list[Chain] = [
        (Step("branch3x3", 384, 3, 2),),
        (Step("branch3x3dbl_1", 64), Step("branch3x3dbl_2", 96, 3), Step("branch3x3dbl_3", 96, 3, 2)),
    ]
    return Mixed(inputs, chains)


def _stretched(width: int) -> Mixed:
    twice = [Step("branch7x7dbl_1", width)]
    twice += [Step(f"branch7x7dbl_{n}", width, TALL if n % 2 == 0 else WIDE) for n in (2, 3, 4)]
    chains: list[Chain] = [
        (Step("branch1x1", 192),),
        (Step("branch7x7_1", width), Step("branch7x7_2", width, WIDE), Step("branch7x7_3", 192, TALL)),
        (*twice, Step("branch7x7dbl_5", 192, WIDE)),
    ]
    return Mixed(768, chains, "average", 192)


def _halved_twice(inputs: int) -> Mixed:
    stretched = (Step("branch7x7x3_1", 192), Step("branch7x7x3_2", 192, WIDE), Step("branch7x7x3_3", 192, TALL))
    chains: list[Chain] = [
        (Step("branch3x3_1", 192), Step("branch3x3_2", 320, 3, 2)),
        (*stretched, Step("branch7x7x3_4", 192, 3, 2)),
    ]
    return Mixed(inputs, chains)


def _forked(inputs: int, pool: Pool) -> Mixed:
    def fork(name: str) -> Fork:
        return Fork(Step(f"{name}a", 384, (1, 3)), Step(f"{name}b", 384, (3, 1)))

    chains: list[Chain] = [
        (Step("branch1x1", 320),),
        (Step("branch3x3_1", 384), fork("branch3x3_2")),
        (Step("branch3x3dbl_1", 448), Step("branch3x3dbl_2", 384, 3), fork("branch3x3dbl_3")),
    ]
    return Mixed(inputs, chains, pool, 192)
