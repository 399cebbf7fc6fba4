"""The ordered VQ-VAE and its prior as an `AnytimeModel`, on PyTorch, on CPU or CUDA."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import numpy as np
import torch

from models.autoencoder import OrderedVQVAE
from models.prior import TransformerPrior
from models.runtime.cached_prior import CachedPrior
from models.runtime.determinism import invariant_buckets
from models.runtime.protocol import Decoded, SampleRequest
from models.runtime.randomness import code_uniforms
from models.runtime.sampling import draw
from models.runtime.slots import SlotTable

# Columns of the table of how codes are drawn; from the last one on, the uniform number of each code.
_TEMPERATURE, _TOP_K, _TOP_P, _UNIFORMS = range(4)


def power_of_two_buckets(slots: int) -> tuple[int, ...]:
    """1, 2, 4, .. up to `slots`, which is the last whether or not it is a power of two."""
    return (*(1 << i for i in range(slots.bit_length()) if 1 << i < slots), slots)


def _channels_innermost(autoencoder: OrderedVQVAE) -> OrderedVQVAE:
    """Lay out the weights of 2-D convolutions so that they run up to twice as fast on the CPU; in place."""
    for parameter in autoencoder.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.contiguous(memory_format=torch.channels_last)
    return autoencoder


class OrderedModel:
    """Fixed slots over one preallocated KV cache; a step runs over a padded bucket of rows.

    Every buffer has one row per slot and a last, spare row for padding to point at: what lands there is never read.
    The host knows each slot's position, so that choosing rows never waits for the device.
    """

    @torch.inference_mode()
    def __init__(self, autoencoder: OrderedVQVAE, prior: TransformerPrior, slots: int) -> None:
        self.total_codes = prior.codes
        self.slots = slots
        self.buckets = invariant_buckets(prior, slots, power_of_two_buckets(slots))
        self._autoencoder = _channels_innermost(autoencoder)
        self._prior = prior
        self._device = prior.position.device
        self._table = SlotTable(slots, prior.codes)
        rows = slots + 1
        self._cached = CachedPrior(prior, rows)
        # Per row: the token to feed and the position it is for; how codes are drawn; the codes.
        self._state = torch.tensor([[prior.start_token(None), 0]], device=self._device).repeat(rows, 1)
        self._draws = torch.zeros((rows, _UNIFORMS + prior.codes), dtype=torch.float64, device=self._device)
        self._draws[:, :_UNIFORMS] = 1.0  # valid for the spare row, too
        self._codes = torch.zeros((rows, prior.codes), dtype=torch.int64, device=self._device)
        self._restricted: set[int] = set()  # slots whose draw looks at top_k and top_p
        self._unread: dict[
            int, list[int]
        ] = {}  # by slot, the tokens before the present one that the cache does not hold

    @torch.inference_mode()
    def begin(self, slot: int, request: SampleRequest) -> None:
        """See `AnytimeModel.begin`."""
        self._check(request)
        given = len(request.codes)
        self._table.occupy(slot, given)
        codebook = self._prior.codebook
        greedy = request.temperature == 0
        restricted = greedy or 0 < request.top_k < codebook or request.top_p < 1
        (self._restricted.add if restricted else self._restricted.discard)(slot)
        draws = np.empty(_UNIFORMS + self.total_codes)
        draws[_TEMPERATURE] = 1.0 if greedy else request.temperature
        draws[_TOP_K] = 1 if greedy else request.top_k or codebook
        draws[_TOP_P] = request.top_p
        draws[_UNIFORMS:] = code_uniforms(request.seed, request.sample, self.total_codes)
        self._draws[slot] = torch.from_numpy(draws)
        *earlier, last = self._prior.start_token(request.label), *request.codes
        self._state[slot] = torch.tensor([last, given])
        self._unread.pop(slot, None)
        if given:
            self._codes[slot, :given] = torch.tensor(request.codes)
            self._unread[slot] = earlier

    @torch.inference_mode()
    def step(self, slots: Sequence[int]) -> None:
        """See `AnytimeModel.step`."""
        self._table.check_can_step(slots)
        if self._unread:
            self._read([slot for slot in slots if slot in self._unread])
        rows = torch.tensor(self._rows(slots), device=self._device)
        tokens, positions = self._state.index_select(0, rows).unbind(1)
        draws = self._draws.index_select(0, rows)
        drawn = draw(
            self._cached.step(tokens, positions, rows),
            draws.gather(1, _UNIFORMS + positions[:, None]).squeeze(1),
            draws[:, _TEMPERATURE],
            draws[:, _TOP_K],
            draws[:, _TOP_P],
            restricted=not self._restricted.isdisjoint(slots),
        )
        self._codes[rows, positions] = drawn
        self._state[rows] = torch.stack((drawn, positions + (rows < self.slots)), dim=1)
        self._table.advance(slots)

    def _read(self, slots: Sequence[int]) -> None:
        """Bring the codes that were given into the cache, as many rows at a time as the buckets allow.

        A layer writes the keys and values of all rows before it attends, and each row sees only the positions up to its
        own, so that one pass reads many positions. In the full table a row is its slot's, and reads one at a time.
        """
        width = self.buckets[-2] if len(self.buckets) > 1 else 1
        for slot in slots:
            tokens = self._unread.pop(slot)
            for start in range(0, len(tokens), width):
                unread = iter(enumerate(tokens[start : start + width], start))
                rows = self._rows([slot] * len(tokens[start : start + width]))
                fed = [(row, *(next(unread) if row == slot else (0, 0))) for row in rows]
                row, position, token = torch.tensor(fed, device=self._device).unbind(1)
                self._cached.step(token, position, row)

    @torch.inference_mode()
    def decode(self, slots: Sequence[int]) -> Decoded:
        """See `AnytimeModel.decode`."""
        held = self.codes(slots)
        rows = torch.tensor(slots, device=self._device)
        media = self._autoencoder.decode_codes(self._codes[rows], self._state[rows, 1])
        return Decoded(media.contiguous().cpu().numpy(), held)

    def codes(self, slots: Sequence[int]) -> list[list[int]]:
        """The codes that each slot holds so far, in order of importance."""
        lengths = [self._table.position(slot) for slot in slots]
        rows = self._codes[torch.tensor(slots, device=self._device)].tolist()
        return [row[:length] for row, length in zip(rows, lengths, strict=True)]

    def position(self, slot: int) -> int:
        """See `AnytimeModel.position`."""
        return self._table.position(slot)

    def release(self, slot: int) -> None:
        """See `AnytimeModel.release`."""
        self._table.release(slot)

    def check_integrity(self) -> None:
        """See `AnytimeModel.check_integrity`."""
        taken = self._table.taken()
        positions = self._state[:, 1].tolist()
        wrong = [slot for slot in taken if positions[slot] != self._table.position(slot)]
        if wrong:
            raise AssertionError(f"host and device disagree about the positions of slots {wrong}")
        if positions[self.slots] != 0:
            raise AssertionError("the spare row has moved")

    def _rows(self, slots: Sequence[int]) -> list[int]:
        """The rows of the smallest bucket that holds the slots, padded with the spare row.

        In the full table every slot has its own row, whoever else is there (`invariant_buckets` relies on it).
        """
        bucket = self.buckets[bisect_left(self.buckets, len(slots))]
        spare = self.slots
        if bucket == self.slots:
            chosen = set(slots)
            return [slot if slot in chosen else spare for slot in range(self.slots)]
        return [*slots, *[spare] * (bucket - len(slots))]

    def _check(self, request: SampleRequest) -> None:
        """Raise ValueError naming the field that is out of range."""
        labels = self._prior.null_label
        limits = {
            "seed": 0 <= request.seed < 2**63,
            "sample": 0 <= request.sample < 2**32,
            "label": request.label is None or 0 <= request.label < labels,
            "temperature": request.temperature >= 0,
            "top_k": request.top_k >= 0,
            "top_p": 0 < request.top_p <= 1,
            "codes": len(request.codes) <= self.total_codes
            and all(0 <= code < self._prior.codebook for code in request.codes),
        }
        for field, fits in limits.items():
            if not fits:
                raise ValueError(f"{field} is out of range: {getattr(request, field)!r}")
