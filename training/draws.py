"""What part of a batch draws at random: what the whole batch would have drawn in its rows.

A batch is computed in parts where several processes share it, or where gradients are accumulated. An example must draw
the same whichever part it is in, so every part draws for the whole batch, from the same seed, and keeps its own rows.
The tasks' own draws go through `drawn`; dropout, which draws inside the networks, is intercepted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import dropout, scaled_dot_product_attention
from torch.overrides import TorchFunctionMode

from training.seeds import derive_seed


class _Part(NamedTuple):
    """Some rows of a batch of `whole` examples."""

    rows: slice
    whole: int


_PART: ContextVar[_Part | None] = ContextVar("part", default=None)


@contextmanager
def part_of_batch(rows: slice, whole: int, seed: int, compiled: bool = False) -> Iterator[None]:
    """Within, what is drawn is drawn for a batch of `whole` examples, of which these `rows`, at least two, are kept.

    Args:
        seed: of the global generator, which dropout draws from.
        compiled: whether the networks are, in which no function can be intercepted. Their dropout then depends on the
            part; all else does not.
    """
    if (rows.start, rows.stop) == (0, whole):
        torch.manual_seed(seed)
        yield  # nothing is intercepted, and nothing is slower
        return
    part = _Part(rows, whole)
    token = _PART.set(part)
    torch.manual_seed(derive_seed(seed, "rows from", rows.start) if compiled else seed)
    try:
        with nullcontext() if compiled else _PartDraws(part):
            yield
    finally:
        _PART.reset(token)


def drawn(count: int, sample: Callable[[int], Tensor]) -> Tensor:
    """A draw for each of the examples at hand.

    Args:
        count: how many there are.
        sample: draws for so many examples, (n, ...), always the same for the same n.

    Returns:
        (count, ...).
    """
    part = _PART.get()
    return sample(count) if part is None else sample(part.whole)[part.rows]


class _PartDraws(TorchFunctionMode):
    """Intercepts the functions of PyTorch that drop out.

    On the CPU the masks are those that PyTorch draws for the whole batch. On CUDA those of attention and of recurrent
    layers are not, because the kernels there draw in an order of their own: a process that computes whole batches has
    other masks there than parts have, which among themselves agree.
    """

    def __init__(self, part: _Part) -> None:
        super().__init__()
        self.rows, self.whole = part
        self._replacements: dict[Any, Callable[..., Any]] = {
            dropout: self._dropout,
            scaled_dot_product_attention: self._attention,
            torch.lstm: self._lstm,
        }

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        return self._replacements.get(func, func)(*args, **(kwargs or {}))

    def _noise(self, like: Tensor, p: float, examples: int = 0) -> Tensor:
        """What dropout multiplies the examples at hand by, 0 or 1 / (1 - p); `examples` is their dimension."""
        shape = list(like.shape)
        shape[examples] = self.whole
        # Drawn in the order in which numbers lie in memory, so that must be the whole batch's.
        order = sorted(range(like.dim()), key=like.stride, reverse=True)
        ones = torch.ones([shape[dimension] for dimension in order], dtype=like.dtype, device=like.device)
        places = [order.index(dimension) for dimension in range(like.dim())]
        # By dropout itself, so that it draws what it would for the whole batch on this device.
        noise = dropout(ones.permute(places), p)
        return noise.narrow(examples, self.rows.start, self.rows.stop - self.rows.start)

    def _dropout(self, x: Tensor, p: float, training: bool, inplace: bool) -> Tensor:
        """`torch.nn.functional.dropout` of (B, ...)."""
        if not training or p == 0.0:
            return x
        return x.mul_(self._noise(x, p)) if inplace else x * self._noise(x, p)

    def _attention(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> Tensor:
        """`torch.nn.functional.scaled_dot_product_attention` of (B, heads, K, head dim), spelled out."""
        if dropout_p == 0.0:
            return scaled_dot_product_attention(
                query, key, value, attn_mask, 0.0, is_causal, scale=scale, enable_gqa=enable_gqa
            )
        if enable_gqa:
            groups = query.shape[-3] // key.shape[-3]
            key, value = key.repeat_interleave(groups, -3), value.repeat_interleave(groups, -3)
        scores = query @ key.transpose(-2, -1) * (query.shape[-1] ** -0.5 if scale is None else scale)
        if is_causal:
            attn_mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
        if attn_mask is not None:
            allowed = attn_mask.dtype == torch.bool
            scores = scores.masked_fill(~attn_mask, -torch.inf) if allowed else scores + attn_mask
        weights = scores.softmax(-1).to(value.dtype)
        return (weights * self._noise(weights, dropout_p)) @ value

    def _lstm(
        self,
        x: Tensor,
        state: tuple[Tensor, Tensor],
        weights: list[Tensor],
        bias: bool,
        layers: int,
        p: float,
        training: bool,
        bidirectional: bool,
        batch_first: bool,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """`torch.lstm`, layer by layer, because it drops out between them."""
        if not training or p == 0.0 or layers == 1:
            return torch.lstm(x, state, weights, bias, layers, p, training, bidirectional, batch_first)
        # Positions before examples, as PyTorch has them when it draws.
        x = x.transpose(0, 1) if batch_first else x
        each, directions = len(weights) // layers, 1 + bidirectional
        ends: list[tuple[Tensor, Tensor]] = []
        for layer in range(layers):
            own, states = slice(layer * each, (layer + 1) * each), slice(layer * directions, (layer + 1) * directions)
            x = x * self._noise(x, p, examples=1) if layer else x
            start = (state[0][states], state[1][states])
            x, hidden, cell = torch.lstm(x, start, weights[own], bias, 1, 0.0, training, bidirectional, False)
            ends.append((hidden, cell))
        x = x.transpose(0, 1) if batch_first else x
        return x, torch.cat([hidden for hidden, _ in ends]), torch.cat([cell for _, cell in ends])
