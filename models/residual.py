"""The residual autoencoder: each code corrects what the codes before it leave of a sample.

The codes build up a state u (L numbers), from which the sample is read off by one linear map. Code j moves it,

    u_j = u_{j-1} + s_j(u_{j-1}) + e T_j(u_{j-1}) M_j,    u_0 = 0,

where e is the codebook's entry that the code names (D numbers). s_j, what is to be expected before the code is known,
and the D x D matrix T_j come from a small network of the code's own, M_j is a matrix: one shared codebook becomes
another set of corrections for every code and every state. It is residual quantisation with codebooks that depend on
what has been said (Huijben et al., 2024, "Residual Quantization with Implicit Neural Codebooks"). Their network is not
linear in the entry; this one is, so that all C corrections are compared by two matrix products.

A code is the entry with the least squared error of the sample read off after it. So it depends on the sample and on the
codes before it, never on how many will be kept, and there is no encoder to train, no gradient to pass through a
quantiser and no commitment.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from models.config import Media, ResidualConfig
from models.quantiser import Quantiser

_SMALLER = 0.93  # from code to code, the corrections that training starts from


class Move(NamedTuple):
    """What is known of a code's correction before the code is.

    Attributes:
        expected: (B, L), the state without the entry's part.
        turn: (B, D, D), by which the entry is multiplied.
    """

    expected: Tensor
    turn: Tensor


class Correction(nn.Module):
    """s_j, T_j and M_j of one code."""

    def __init__(self, config: ResidualConfig) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(config.width, elementwise_affine=False)
        self.read = nn.Linear(config.width, config.hidden)
        self.write = nn.Linear(config.hidden, config.width + config.depth**2)  # s_j and T_j
        # At first nothing is expected, and entries are as they are, whatever the state.
        nn.init.zeros_(self.write.weight)
        nn.init.zeros_(self.write.bias)
        with torch.no_grad():
            self.write.bias[config.width :] = torch.eye(config.depth).flatten()
        self.directions = nn.Parameter(torch.randn(config.depth, config.width) / math.sqrt(config.depth))

    def forward(self, state: Tensor) -> Move:
        """(B, L) -> what the code's entry is to be applied to."""
        written = self.write(torch.relu(self.read(self.norm(state))))
        depth, width = self.directions.shape
        return Move(state + written[:, :width], written[:, width:].view(-1, depth, depth))

    def apply_entry(self, move: Move, entry: Tensor) -> Tensor:
        """The state after the code: (B, L), from its entry (B, D)."""
        turned = (entry[:, None] @ move.turn)[:, 0]
        return torch.addmm(move.expected, turned, self.directions)


class Target(NamedTuple):
    """Samples as the choice of codes sees them: ||x - u R||^2 = ||x||^2 - 2 (x R^T) u + u (R R^T) u.

    Attributes:
        power: (B,), ||x||^2, x less the mean.
        wanted: (B, L), x R^T.
        gram: (L, L), R R^T.
    """

    power: Tensor
    wanted: Tensor
    gram: Tensor


class ResidualAutoencoder(nn.Module):
    """Codes by matching, and samples by reading off what the codes have built up; see the module.

    `decode_codes` and `encode_codes` are as `OrderedVQVAE`'s; with no code at all the sample is the mean.
    """

    def __init__(self, config: ResidualConfig, media: Media) -> None:
        super().__init__()
        self.config = config
        self.media = media
        numbers = math.prod(media.shape)
        self.quantiser = Quantiser(config.codebook, config.depth)
        self.corrections = nn.ModuleList(Correction(config) for _ in range(config.codes))
        self.readout = nn.Parameter(torch.randn(config.width, numbers) / math.sqrt(numbers))
        self.mean = nn.Parameter(torch.zeros(numbers))

    def encode_codes(self, x: Tensor) -> Tensor:
        """(B, *media shape) -> code indices (B, K) int64."""
        with torch.no_grad():
            return self._match(self._target(x))[1]

    def decode_codes(self, codes: Tensor, lengths: Tensor) -> Tensor:
        """Decode a prefix of each row of codes.

        Args:
            codes: (B, K) int64; entries from `lengths` on are ignored but must be valid indices.
            lengths: (B,) int64, each 0..K.

        Returns:
            (B, *media shape), clamped to the range of the media: [0, 1] for images, [-1, 1] for audio.
        """
        return self.decode_vectors(self.quantiser.lookup(codes), lengths).clamp(*self.media.range)

    def decode_vectors(self, vectors: Tensor, lengths: Tensor, bounds: tuple[int, int] | None = None) -> Tensor:
        """What is read off, not clamped, after a prefix of each row of codebook entries (B, K, D).

        Args:
            bounds: the shortest and longest that the lengths may be; None asks them, which waits for their device.
        """
        state = vectors.new_zeros(len(vectors), self.config.width)
        shortest, longest = bounds or (int(bound) for bound in lengths.aminmax())
        for j, correction in enumerate(self._corrections()[:longest]):
            moved = correction.apply_entry(correction(state), vectors[:, j])
            state = moved if j < shortest else torch.where(lengths[:, None] > j, moved, state)
        return self._read_off(state)

    def decode_each(self, codes: Tensor) -> Iterator[Tensor]:
        """What `decode_codes` makes of the first 1, 2, .. K codes of each row (B, K), in one pass."""
        vectors = self.quantiser.lookup(codes)
        state = vectors.new_zeros(len(vectors), self.config.width)
        for correction, entry in zip(self._corrections(), vectors.unbind(1), strict=True):
            state = correction.apply_entry(correction(state), entry)
            yield self._read_off(state).clamp(*self.media.range)

    def errors(self, x: Tensor) -> Tensor:
        """Squared error of each sample (B, *media shape) after each of its codes, (B, K), summed over the sample.

        Before clamping, which can only lower it. The truncation index of Eq. (6) needs no drawing: weighted by its
        distribution, these are the expectation.
        """
        target = self._target(x)
        states = self._match(target)[0]  # (B, K, L)
        explained = 2 * target.wanted[:, None] - states @ target.gram
        return target.power[:, None] - (states * explained).sum(-1)

    @torch.no_grad()
    def initialise(self, x: Tensor, generator: torch.Generator) -> None:
        """Start from samples x (B, *media shape), B >= C: principal components, and k-means in the leading D of them.

        The first code is that k-means; those after it turn its entries to other directions, each smaller than the last.
        """
        flat, config = x.flatten(1), self.config
        self.mean.copy_(flat.mean(0))
        basis = torch.linalg.svd(flat - self.mean, full_matrices=False).Vh[: config.width]
        self.readout[: len(basis)] = basis
        leading = (flat - self.mean) @ self.readout[: config.depth].T  # (B, D)
        self.quantiser.initialise(leading, generator)
        left = leading - self.quantiser.lookup(self.quantiser.nearest(leading))
        spread = self.quantiser.codebook.std()
        self.quantiser.codebook.div_(spread)
        turn, size = torch.eye(config.depth), spread
        for j, correction in enumerate(self._corrections()):
            if j:
                turn = torch.linalg.qr(torch.randn(config.depth, config.depth, generator=generator)).Q
                size = 0.5 * left.std() * _SMALLER**j
            correction.directions.zero_()
            correction.directions[:, : config.depth] = turn.to(x.device) * size

    def _read_off(self, state: Tensor) -> Tensor:
        return torch.addmm(self.mean, state, self.readout).view(-1, *self.media.shape)

    def _target(self, x: Tensor) -> Target:
        centred = x.flatten(1) - self.mean
        return Target(centred.square().sum(1), centred @ self.readout.T, self.readout @ self.readout.T)

    def _match(self, target: Target) -> tuple[Tensor, Tensor]:
        """Choose the codes one after another: the states after each (B, K, L), and the codes (B, K) int64."""
        state = torch.zeros_like(target.wanted)
        states: list[Tensor] = []
        codes: list[Tensor] = []
        with torch.no_grad():
            entries = self.quantiser.codebook
            products = (entries[:, :, None] * entries[:, None]).flatten(1)  # (C, D * D)
        for correction in self._corrections():
            move = correction(state)
            with torch.no_grad():
                codes.append(self._nearest(correction, move, target, products))
            state = correction.apply_entry(move, self.quantiser.lookup(codes[-1]))
            states.append(state)
        return torch.stack(states, dim=1), torch.stack(codes, dim=1)

    def _nearest(self, correction: Correction, move: Move, target: Target, products: Tensor) -> Tensor:
        """The entries (B,) int64 after which the error is least.

        With v = e A, A the turn, an entry adds v Q v - 2 v r to the error: Q = M R R^T M^T, and what is wanted of v is
        r = M (x R^T - expected R R^T). The first term is the inner product of A Q A^T with e e^T.
        """
        pull = correction.directions @ target.gram  # (D, L)
        wanted = target.wanted @ correction.directions.T - move.expected @ pull.T  # (B, D)
        quadratic = move.turn @ (pull @ correction.directions.T) @ move.turn.mT  # (B, D, D)
        linear = (move.turn @ wanted[..., None])[..., 0] @ self.quantiser.codebook.T  # (B, C)
        return torch.addmm(linear, quadratic.flatten(1), products.T, beta=-2).argmin(1)

    def _corrections(self) -> list[Correction]:
        return cast("list[Correction]", list(self.corrections))
