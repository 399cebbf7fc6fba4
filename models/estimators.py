"""How a gradient passes a quantiser, which has none of its own.

Each takes what the encoder gave, z (..., D), and the codebook entries that were chosen for it (..., D), and returns a
tensor equal to the entries whose gradient goes to z, and to z alone.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torch.nn.functional import normalize

Estimator = Callable[[Tensor, Tensor], Tensor]


def straight_through(z: Tensor, entries: Tensor) -> Tensor:
    """The gradient at the entry is taken for that at z (section 4.1)."""
    return z + (entries - z).detach()


def rotated(z: Tensor, entries: Tensor) -> Tensor:
    """Turn and scale z onto its entry, and its gradient back with it.

    So the gradient keeps its angle to the vector: inside one cell of the codebook, it pushes vectors apart or together
    according to where they lie, instead of moving all of them alike (rotation trick: Fifty et al., 2024).
    """
    fixed, chosen = z.detach(), entries.detach()
    start, end = normalize(fixed, dim=-1), normalize(chosen, dim=-1)
    between = normalize(start + end, dim=-1)
    # R = I - 2 b b^T + 2 e s^T turns s onto e, with b halfway between them, and leaves what is orthogonal to both.
    turned = z - 2 * _along(z, between) * between + 2 * _along(z, start) * end
    stretch = chosen.norm(dim=-1, keepdim=True) / fixed.norm(dim=-1, keepdim=True).clamp(min=1e-6)
    carried: Tensor = stretch * turned
    return carried + (chosen - carried).detach()  # to the last bit, and where z is 0 or opposite


def _along(vectors: Tensor, direction: Tensor) -> Tensor:
    along: Tensor = (vectors * direction).sum(-1, keepdim=True)
    return along
