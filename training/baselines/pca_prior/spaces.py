"""Pictures as sequences of symbols, and how many bits a symbol leaves open of the number that it stands for.

Appendix D adds uniform noise to the pixels, which makes them continuous, and turns them by an orthogonal matrix, which
keeps volumes; so densities over pixels and over coefficients can be compared. Both count in units of a grey value, in
which a discrete pixel's probability and the density of the pixel with its noise are the same number.

The prior gives probabilities of symbols, so a number y becomes the bin b that it lies in, and
    p(y_i | y_<i) = P(b_i | b_<i) p(y_i | b_i),
where the last factor is a fixed density inside the bin. This is a proper density on the whole line.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from models.errors import DataError
from training.baselines.options import PIXEL_VALUES
from training.evaluation import pca

FEWEST_PER_BIN = 16  # training images; with fewer the widths of bins are mostly chance
CHUNK = 4096


class Encoded(NamedTuple):
    """Numbers as symbols.

    Attributes:
        symbols: (B, D) int64.
        inside: (B, D) float64, -log2 p(y | symbol): bits that the symbol leaves open; negative in bins narrower than 1.
    """

    symbols: Tensor
    inside: Tensor


class Space(Protocol):
    """D numbers that describe a picture, in the order in which they are predicted."""

    @property
    def symbols(self) -> int:
        """How many different ones there are."""

    def encode(self, images: Tensor, noise: Tensor) -> Encoded:
        """Pictures (B, D) uint8 with the noise (B, D) in [0, 1) that makes them continuous."""

    def decode(self, symbols: Tensor) -> Tensor:
        """Pictures (B, D) uint8 from symbols (B, D), each standing for the middle of its bin."""

    def marginal_bits(self, train: Tensor, encoded: Encoded) -> Tensor:
        """Bits of each number when it is predicted by how often its symbol is met at that place alone, (B, D).

        Args:
            train: (N, D) uint8, the training pictures.
            encoded: what is predicted.
        """


class PixelSpace:
    """Pixels in reading order. A bin is a grey value, one wide, so the noise inside it costs nothing."""

    symbols = PIXEL_VALUES

    def encode(self, images: Tensor, noise: Tensor) -> Encoded:
        """See `Space.encode`."""
        return Encoded(images.long(), torch.zeros_like(noise, dtype=torch.float64))

    def decode(self, symbols: Tensor) -> Tensor:
        """See `Space.decode`."""
        return symbols.to(torch.uint8)

    def marginal_bits(self, train: Tensor, encoded: Encoded) -> Tensor:
        """See `Space.marginal_bits`; every value counts as met once more than it was."""
        counts = torch.stack([torch.bincount(column.int(), minlength=self.symbols) for column in train.unbind(1)])
        shares = (counts + 1).double() / (len(train) + self.symbols)  # (D, 256)
        return -shares.T.gather(0, encoded.symbols).log2()


@dataclass(frozen=True, slots=True)
class CoefficientSpace:
    """Principal components, by falling variance, each cut into bins that equally many training pictures fall into.

    The first and last bin have no end; in them a density falls off exponentially from the edge.

    Attributes:
        mean: (D,) float64, of pixels with their noise.
        components: (D, D) float64, orthonormal columns.
        edges: (D, bins - 1) float64, ascending.
        tails: (D, 2) float64, mean distance from the edge in the first and the last bin.
    """

    mean: Tensor
    components: Tensor
    edges: Tensor
    tails: Tensor

    @property
    def symbols(self) -> int:
        """See `Space.symbols`."""
        return self.edges.shape[1] + 1

    def coefficients(self, images: Tensor, noise: Tensor) -> Tensor:
        """(B, D) uint8 and noise -> (B, D) float64, in grey values."""
        return (images.double() + noise - self.mean) @ self.components

    def encode(self, images: Tensor, noise: Tensor) -> Encoded:
        """See `Space.encode`."""
        values = self.coefficients(images, noise).T.contiguous()  # (D, B)
        bins = torch.searchsorted(self.edges, values, right=True)
        last = self.symbols - 1
        lower = self.edges.gather(1, (bins - 1).clamp(min=0))
        upper = self.edges.gather(1, bins.clamp(max=last - 1))
        bits = torch.where((bins > 0) & (bins < last), (upper - lower).log2(), 0.0)
        bits = torch.where(bins == 0, _tail_bits(upper - values, self.tails[:, :1]), bits)
        bits = torch.where(bins == last, _tail_bits(values - lower, self.tails[:, 1:]), bits)
        return Encoded(bins.T.contiguous(), bits.T.contiguous())

    def decode(self, symbols: Tensor) -> Tensor:
        """See `Space.decode`; without a middle, the mean."""
        first, last = self.edges[:, :1] - self.tails[:, :1], self.edges[:, -1:] + self.tails[:, 1:]
        middles = torch.cat([first, (self.edges[:, 1:] + self.edges[:, :-1]) / 2, last], dim=1)  # (D, bins)
        values = middles.gather(1, symbols.T).T
        pixels = values @ self.components.T + self.mean
        return pixels.floor().clamp(0, PIXEL_VALUES - 1).to(torch.uint8)

    def marginal_bits(self, train: Tensor, encoded: Encoded) -> Tensor:  # noqa: ARG002
        """See `Space.marginal_bits`: all bins are met equally often."""
        return encoded.inside + math.log2(self.symbols)


def fit_coefficients(images: Tensor, noise: Tensor, bins: int) -> CoefficientSpace:
    """The principal components of training pictures, and the bins of each.

    Args:
        images: (N, D) uint8.
        noise: (N, D) in [0, 1).

    Raises:
        DataError: if there are too few pictures for so many bins.
    """
    if len(images) < FEWEST_PER_BIN * bins:
        raise DataError(
            f"{len(images)} training images are too few for {bins} bins, which take {FEWEST_PER_BIN} each; lower bins"
        )
    # Noise adds the same variance in every direction, so the components are those of the pixels without it.
    found = pca.fit(images[:, None, None], images.shape[1])
    space = CoefficientSpace(found.mean * 255 + 0.5, found.components, torch.empty(0), torch.empty(0))
    chunks = zip(torch.split(images, CHUNK), torch.split(noise, CHUNK), strict=True)
    # As float32, because all of them are sorted at once.
    values = torch.cat([space.coefficients(*chunk).float() for chunk in chunks]).T.contiguous()  # (D, N)
    ranked = values.sort(dim=1).values.double()
    cuts = torch.arange(1, bins) * len(images) // bins
    edges = (ranked[:, cuts - 1] + ranked[:, cuts]) / 2
    below, above = cuts[0], cuts[-1]
    tails = torch.stack(
        [(edges[:, :1] - ranked[:, :below]).mean(1), (ranked[:, above:] - edges[:, -1:]).mean(1)], dim=1
    )
    return CoefficientSpace(space.mean, space.components, edges.contiguous(), tails)


def _tail_bits(distance: Tensor, mean: Tensor) -> Tensor:
    """-log2 of the exponential density with a mean at a distance from the edge."""
    return mean.log2() + distance / mean / math.log(2)


def shrink(images: Tensor, factor: int) -> Tensor:
    """Pictures (N, C, H, W) uint8 made smaller: each pixel is the mean of a square, rounded half up, as uint8."""
    if factor == 1:
        return images
    count, channels, height, width = images.shape
    squares = images.reshape(count, channels, height // factor, factor, width // factor, factor)
    sums = squares.sum(dim=(3, 5), dtype=torch.int32)
    return ((2 * sums + factor**2) // (2 * factor**2)).to(torch.uint8)
